"""The query of a download address may be a signature: it is kept for the engine, and shown nowhere.

That no failed download tells it is tested where downloads are.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from portal.models import File
from portal.sync.sources.parse import parse_row
from portal.sync.sources.profile import ConnectorProfile
from tests.portal.ledger_scene import failed
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor
from tests.portal.views.world import World

TICKET = "Zq7-of-a-query"
ADDRESS = f"https://files.example/f/1?ticket={TICKET}&e=9"
_FILE: dict[str, Any] = {"fileId": "f", "fileType": "invoice", "fileName": "a.pdf"}
#: What the listing may hold of it; but for the first one, all are unfit.
FILES: list[object] = [
    [{**_FILE, "downloadUrl": ADDRESS}],
    [{**_FILE, "downloadUrl": ADDRESS + "x" * 5000}],
    [{**_FILE, "downloadUrl": ADDRESS.replace("?", "?a\n")}],
    [{**_FILE, "downloadUrl": {"href": ADDRESS}}],
    {"downloadUrl": ADDRESS},
    [ADDRESS],
    ADDRESS,
]


def row(number: int, files: object) -> dict[str, Any]:
    return {
        "scanBillNo": f"SIGNED{number}",
        "resource": "EAS",
        "fbillTypeCode": "FYBX",
        "fapplyOrganizationCode": "1001",
        "collectTime": f"2024-01-03 09:21:{number:02d}",
        "files": files,
    }


@pytest.fixture
def signed(world: World, scene: PageScene) -> str:
    """A batch with such addresses, in a world in which every file has one."""
    ledger_scene = scene.ledger_scene
    listed = [parse_row(row(n, files), ConnectorProfile()) for n, files in enumerate(FILES)]
    assert [document.problem is None for document in listed] == [True] + [False] * 6
    batch_id = ledger_scene.listed_batch(listed)
    (claim,) = ledger_scene.claim(batch_id)
    assert claim.files[0].download_url == ADDRESS
    ledger_scene.settle(batch_id, failed(claim, "SRC_NOT_FOUND"))
    with scene.portal.ledger.write() as session:
        session.execute(update(File).values(download_url=ADDRESS))
    return ledger_scene.batch(batch_id).batch_no


def test_no_page_shows_it(
    world: World, scene: PageScene, admin: Visitor, signed: str, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = (signed, str(world.ids["batch_no"]))
    shown = 0
    with caplog.at_level(logging.DEBUG):
        for rule in world.rules("GET"):
            for number in numbers if "batch_no" in rule.arguments else ("",):
                for headers in ({}, {"HX-Request": "true"}):
                    path = world.address(rule, **({"batch_no": number} if number else {}))
                    with admin.client.get(path, headers=headers) as answer:
                        assert TICKET.encode() not in answer.get_data(), path
                        shown += b"files.example" in answer.get_data()
    assert shown, "the addresses without their queries are on some page"
    assert TICKET not in caplog.text


def test_nothing_else_in_the_ledger_holds_it(world: World, signed: str) -> None:
    """Neither the trail nor an error: so no command, log or notice that tells of them."""
    for table, rows in world.kept().items():
        for kept in rows:
            assert table == "files" or TICKET not in str(kept), (table, kept)


def test_an_error_of_the_database_tells_nothing_of_the_rows(world: World, scene: PageScene) -> None:
    values = {"document_id": world.ids["document_id"], "file_id": "x", "download_url": ADDRESS}
    with pytest.raises(IntegrityError) as refusal, scene.portal.ledger.write() as session:
        session.execute(insert(File).values(**values))
    assert "INSERT INTO files" in str(refusal.value)
    assert TICKET not in str(refusal.value)
