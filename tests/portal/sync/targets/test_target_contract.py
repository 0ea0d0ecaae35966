"""What every target promises, asked of the flagship client over real HTTP.

The double stands for the flagship. A real one is asked the same when ``IMGMIG_TEST_FLAGSHIP`` is a
JSON object with what :class:`FlagshipConnection` takes; what only a double can be told to do, is
in ``test_flagship.py``.
"""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator

import pytest

from portal.demo.flagship import create_demo_target
from portal.errors import SyncError
from portal.sync.targets.base import Collected, PushDocument, PushFile, Target
from portal.sync.targets.connection import FlagshipConnection
from portal.sync.targets.flagship import Flagship
from tests.portal.demo_server import served
from tests.portal.sync.targets.flagship_scene import connection_to

PDF = b"%PDF-1.4\n%%EOF\n"


@pytest.fixture(params=["double", "real"])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    if request.param == "real":
        told = os.environ.get("IMGMIG_TEST_FLAGSHIP")
        if not told:
            pytest.skip("IMGMIG_TEST_FLAGSHIP names no flagship system")
        real = Flagship(FlagshipConnection(**json.loads(told)))
        yield real
        real.close()
        return
    with served(create_demo_target()) as url:
        double = Flagship(connection_to(url))
        yield double
        double.close()


@pytest.fixture
def document() -> PushDocument:
    number = f"IMG-{uuid.uuid4().hex[:12]}"
    return PushDocument(number, "eas", f"B-{number}", "FYBX", "费用报销单", applicant="周敏")


def hand_over(target: Target, document: PushDocument, content: bytes = PDF) -> Collected:
    file = PushFile("a.pdf", "pdf", "invoice", len(content))
    return target.hand_over(document, file, io.BytesIO(content))


def code_of(error: pytest.ExceptionInfo[SyncError]) -> str:
    return error.value.code


def test_credentials_are_taken(target: Target) -> None:
    target.check()
    target.check()


def test_a_document_is_known_once_it_is_submitted(target: Target, document: PushDocument) -> None:
    target.announce(document)
    collected = [hand_over(target, document), hand_over(target, document, PDF + b"2")]
    assert len({one.file_no for one in collected}) == 2
    target.submit(document, collected)
    seen = target.look_up(document.image_no, document.resource)
    assert seen.bill_type_code == document.bill_type_code


def test_a_document_that_was_never_submitted_is_not_known(
    target: Target, document: PushDocument
) -> None:
    with pytest.raises(SyncError) as error:
        target.look_up(document.image_no, document.resource)
    assert code_of(error) == "TGT_NOT_FOUND"


def test_everything_may_be_done_twice(target: Target, document: PushDocument) -> None:
    for _ in range(2):
        target.announce(document)
        target.submit(document, [hand_over(target, document)])
    assert target.look_up(document.image_no, document.resource).bill_type_code == "FYBX"


def test_a_number_belongs_to_its_resource(target: Target, document: PushDocument) -> None:
    target.announce(document)
    target.submit(document, [hand_over(target, document)])
    with pytest.raises(SyncError) as error:
        target.look_up(document.image_no, "another")
    assert code_of(error) == "TGT_NOT_FOUND"


def test_files_of_a_document_nobody_announced_are_refused(
    target: Target, document: PushDocument
) -> None:
    with pytest.raises(SyncError) as error:
        hand_over(target, document)
    assert code_of(error) == "TGT_REFUSED"


def test_files_that_were_never_handed_over_are_refused(
    target: Target, document: PushDocument
) -> None:
    target.announce(document)
    with pytest.raises(SyncError) as error:
        target.submit(document, [Collected("F1", "/nowhere")])
    assert code_of(error) == "TGT_REFUSED"
