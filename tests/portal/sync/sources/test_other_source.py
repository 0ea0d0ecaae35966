"""The shipped example of a connector profile, against the source it is made for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from portal.errors import SyncError
from portal.sync.download import Downloader
from portal.sync.one_file import fetch_one
from portal.sync.sources.connection import Connection
from portal.sync.sources.kind import download_options
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import Named, Scope, SourceFile
from tests.other_source import APP_KEY, APP_SECRET, DOCUMENTS, OtherSource, PictureHost

EXAMPLE = Path(__file__).parents[4] / "docs" / "zh" / "连接配置示例.json"
YEAR = Scope(datetime(2023, 12, 31, 16, tzinfo=UTC), datetime(2024, 12, 31, 16, tzinfo=UTC))
LIMIT = 1 << 20


@pytest.fixture
def other() -> Iterator[OtherSource]:
    with closing(PictureHost()) as pictures, closing(OtherSource(pictures)) as source:
        yield source


@pytest.fixture
def connection(other: OtherSource) -> Connection:
    return Connection(
        other.base_url,
        APP_KEY,
        APP_SECRET,
        profile=ConnectorProfile.from_mapping(json.loads(EXAMPLE.read_text("utf-8"))),
        download_hosts=("localhost",),
    )


@pytest.fixture
def opened(
    connection: Connection, tmp_path: Path
) -> Iterator[Callable[..., tuple[PiaozoneSource, Downloader]]]:
    with ExitStack() as stack:

        def open_them(**changes: Any) -> tuple[PiaozoneSource, Downloader]:
            changed = replace(connection, **changes)
            source = stack.enter_context(closing(PiaozoneSource(changed)))
            options = download_options(changed, tmp_path)
            return source, stack.enter_context(closing(Downloader(options)))

        yield open_them


Opened = Callable[..., tuple[PiaozoneSource, Downloader]]


def test_every_page_is_read_by_row_offset(opened: Opened, other: OtherSource) -> None:
    source, _ = opened()
    pages = [source.page(YEAR, number) for number in range(1, 6)]
    assert [len(page.documents) for page in pages] == [7, 7, 7, 3, 0]
    documents = [document for page in pages for document in page.documents]
    assert {page.total for page in pages} == {DOCUMENTS}
    assert [document.problem for document in documents] == [None] * DOCUMENTS
    first = documents[0]
    assert (first.image_no, first.org_code, first.org_name) == ("B0000", "u0", "上海分公司")
    assert first.collected_at == datetime(2023, 12, 31, 16, tzinfo=UTC)
    assert (first.bill_no, first.bill_type_code, first.bill_type_name) == ("V-B0000", "k0", "差旅")
    assert (first.applicant, first.amount, first.resource) == ("李娜", Decimal("0.50"), "OTHER")
    assert [file.category for file in first.files] == ["cover", "invoice", "attachment"]
    assert [file.seq for file in first.files] == [0, 1, 2]
    picture, body = documents[1].files[0], other.bills[1].pictures[0].body
    assert (picture.file_id, picture.name, picture.suffix) == ("B0001-0", "B0001-0.jpg", "jpg")
    assert (picture.size, picture.page_count) == (len(body), 1)
    assert picture.sha256 == hashlib.sha256(body).hexdigest()
    assert picture.md5 == hashlib.md5(body).hexdigest()
    assert picture.download_url == f"{other.pictures.origin}/pic/B0001-0"
    assert first.extra == {"unit": {"region": "华东"}, "pics": {"rev": 3}}
    assert len(other.tickets) == 1


def test_its_organisations_and_document_types_are_listed(opened: Opened) -> None:
    source, _ = opened()
    assert source.organisations() == (Named("u0", "上海分公司"), Named("u9", ""))
    assert source.bill_types() == (Named("k0", "差旅"),)


def test_the_count_and_its_groups(opened: Opened) -> None:
    source, _ = opened()
    count = source.count(replace(YEAR, org_codes=("u1", "u9"), bill_type_codes=("k1",)))
    assert (count.documents, count.files) == (4, 12)
    assert {(group.org_code, group.bill_type_code) for group in count.groups} == {("u1", "k1")}
    assert sum(group.documents for group in count.groups) == 4
    assert count.bytes == sum(group.bytes or 0 for group in count.groups)
    assert count.bytes
    amount = sum((group.amount or Decimal(0) for group in count.groups), Decimal(0))
    assert amount == Decimal("42.00")


def files_of(source: PiaozoneSource) -> list[SourceFile]:
    documents = [one for page in (1, 2, 3, 4) for one in source.page(YEAR, page).documents]
    return [file for document in documents for file in document.files]


def test_every_file_comes_and_no_ticket_leaves(opened: Opened, other: OtherSource) -> None:
    source, downloader = opened()
    files = files_of(source)
    with pytest.raises(SyncError) as hiccup:
        fetch_one(source, downloader, files[11], LIMIT, BytesIO())
    assert hiccup.value.code == "SRC_BUSINESS_ERROR"
    assert hiccup.value.params == {"errcode": "503", "description": "busy, please try again"}
    assert [fetch_one(source, downloader, file, LIMIT, BytesIO()) for file in files] == [
        file.size for file in files
    ]
    assert len(other.tickets) > 1
    assert len(other.pictures.seen) == 2
    assert not [seen for seen in other.pictures.seen if "ticket" in seen.text]


def test_refused_credentials_have_the_code_of_the_profile(opened: Opened) -> None:
    source, _ = opened(client_secret="wrong")
    with pytest.raises(SyncError) as refused:
        source.token()
    assert (refused.value.code, refused.value.params) == ("SRC_CREDENTIALS", {"detail": "4001"})
