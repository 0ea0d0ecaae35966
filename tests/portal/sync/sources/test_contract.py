"""What every kind of source promises (``base.Source``), on all of them, fakes and real alike."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portal.errors import SyncError
from portal.sync.one_file import fetch_one
from portal.sync.sources.base import Source
from portal.sync.sources.kinds import KINDS
from portal.sync.sources.rows import Page, Scope, SourceDocument
from tests.portal.fake_source import FakeSource
from tests.portal.sync.sources import source_rigs as rigs
from tests.portal.sync.sources.source_rigs import Rig, Shelf

EVERYTHING = Scope(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
LIMIT = 50_000_000
RIGS: dict[str, Callable[[Shelf], Rig]] = {
    "piaozone": rigs.piaozone,
    "fake": rigs.fake,
    "manifest CSV": rigs.manifest("manifest.csv"),
    "manifest JSONL": rigs.manifest("manifest.jsonl"),
    "manifest S3": rigs.manifest_on_s3,
    "sql SQLite": rigs.query("sqlite"),
    "sql unbound": rigs.query("sqlite", asked=rigs.QUERY),
    "sql web": rigs.query("sqlite", web=True),
    "sql PostgreSQL": rigs.query("postgresql"),
    "sql MariaDB": rigs.query("mariadb", web=True),
}
MARKS = {
    "manifest S3": pytest.mark.s3,
    "sql PostgreSQL": pytest.mark.postgresql,
    "sql MariaDB": pytest.mark.mariadb,
}
PARAMS = [pytest.param(name, marks=MARKS.get(name, ())) for name in RIGS]


@pytest.fixture(scope="module", params=PARAMS)
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One for all the tests that leave it as it was."""
    yield from _made(request.param, tmp_path_factory.mktemp("shelf"))


@pytest.fixture(params=PARAMS)
def own_rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """One to be spoilt."""
    yield from _made(request.param, tmp_path)


def _made(name: str, folder: Path) -> Iterator[Rig]:
    shelf = rigs.new_shelf(folder)
    with shelf.stack:
        made = RIGS[name](shelf)
        yield made
        made.opened.close()


def pages(source: Source, scope: Scope) -> list[Page]:
    """All pages, the empty one behind the last included."""
    found = [source.page(scope, 1)]
    while found[-1].documents:
        found.append(source.page(scope, len(found) + 1))
    return found


def documents(source: Source, scope: Scope) -> list[SourceDocument]:
    """All of them; problems are the same where they have the same code."""
    return [
        replace(one, extra={**one.extra, "code": one.problem and one.problem.code}, problem=None)
        for page in pages(source, scope)
        for one in page.documents
    ]


def sound(source: Source) -> list[SourceDocument]:
    return [one for one in documents(source, EVERYTHING) if one.extra["code"] is None]


def test_every_kind_there_is_is_tried() -> None:
    assert set(KINDS) == {name.split()[0] for name in RIGS} - {"fake"}


def test_pages_give_each_document_once_and_as_many_as_are_counted(rig: Rig) -> None:
    source = rig.opened.source
    found = pages(source, EVERYTHING)
    identities = [(one.resource, one.image_no) for page in found for one in page.documents]
    assert len(identities) == len(set(identities)) >= 34
    assert {page.total for page in found} == {len(identities)}
    assert len(found) > 6  # small pages, so there are borders between them
    assert source.count(EVERYTHING).documents == len(identities)
    assert len({page.version for page in found}) == 1


def test_the_order_is_stable(rig: Rig) -> None:
    first, again = (documents(rig.opened.source, EVERYTHING) for _ in range(2))
    assert first == again
    dated = [one.collected_at for one in first if one.collected_at is not None]
    assert dated == sorted(dated)


def test_months_add_up_to_the_whole(rig: Rig) -> None:
    source = rig.opened.source
    counted = source.count(EVERYTHING)
    months = Counter(
        f"{one.collected_at + timedelta(hours=8):%Y-%m}"
        for one in documents(source, EVERYTHING)
        if one.collected_at
    )
    if counted.groups:
        groups = Counter[str]()
        for group in counted.groups:
            groups[group.month] += group.documents
        assert groups == months
    assert counted.files is not None
    assert counted.files >= counted.documents


def test_a_range_is_half_open(rig: Rig) -> None:
    source = rig.opened.source
    moments = [one.collected_at for one in documents(source, EVERYTHING) if one.collected_at]
    start, end = moments[9], moments[20]
    within = Scope(start, end)
    expected = sorted(moment for moment in moments if start <= moment < end)
    assert [one.collected_at for one in documents(source, within)] == expected
    assert source.count(within).documents == len(expected)


def test_organisations_and_types_are_filtered(rig: Rig) -> None:
    source = rig.opened.source
    if isinstance(source, FakeSource):
        pytest.skip("the fake lists whatever it is given")
    whole = documents(source, EVERYTHING)
    org, bill_type = whole[0].org_code, whole[0].bill_type_code
    for scope, taken in (
        (replace(EVERYTHING, org_codes=(org,)), [one.org_code == org for one in whole]),
        (
            replace(EVERYTHING, bill_type_codes=(bill_type,), org_codes=(org, "nobody")),
            [(one.org_code, one.bill_type_code) == (org, bill_type) for one in whole],
        ),
    ):
        found = documents(source, scope)
        assert found == [one for one, is_taken in zip(whole, taken, strict=True) if is_taken]
        assert source.count(scope).documents == len(found) > 0
    nothing = replace(EVERYTHING, org_codes=("nobody",))
    assert (source.count(nothing).documents, documents(source, nothing)) == (0, [])


def test_what_it_offers_to_choose_from_has_the_listed_codes(rig: Rig) -> None:
    source = rig.opened.source
    whole = documents(source, EVERYTHING)
    for offered, codes in (
        (source.organisations(), {one.org_code for one in whole}),
        (source.bill_types(), {one.bill_type_code for one in whole}),
    ):
        assert offered is None or codes <= {one.code for one in offered}


def test_every_file_comes_as_it_is_declared_but_for_the_planted_one(rig: Rig) -> None:
    opened = rig.opened
    wrong, fetched = [], 0
    for document in sound(opened.source):
        for file in document.files:
            into = io.BytesIO()
            try:
                size = fetch_one(opened.source, opened.downloader, file, LIMIT, into)
            except SyncError as error:
                wrong.append(error.code)
                continue
            fetched += 1
            assert (size, hashlib.sha256(into.getvalue()).hexdigest()) == (file.size, file.sha256)
            if opened.look is not None:
                opened.look(file)
    assert wrong == ["FILE_DIGEST_MISMATCH"]
    assert fetched > 80


def test_a_file_that_is_not_there_is_a_failure_of_its_own(rig: Rig) -> None:
    opened = rig.opened
    file = next(one for doc in documents(opened.source, EVERYTHING) for one in doc.files)
    url = None if file.download_url is None else file.download_url[:-5] + "x.pdf"
    absent = replace(file, file_id="f-999999-1", download_url=url)
    codes = set()
    with pytest.raises(SyncError) as caught:
        fetch_one(opened.source, opened.downloader, absent, LIMIT, io.BytesIO())
    codes.add(caught.value.code)
    if opened.look is not None:
        with pytest.raises(SyncError) as caught:
            opened.look(absent)
        codes.add(caught.value.code)
    assert codes <= {"SRC_FILE_MISSING", "SRC_NOT_FOUND"}
    assert caught.value.permanent


def test_a_token_is_renewed_once_for_all_who_ask(rig: Rig) -> None:
    source = rig.opened.source
    stale = source.token()
    fresh = source.renew_token(stale)
    assert source.renew_token(stale) == fresh == source.token()


def test_it_is_well_and_works_on_after_it_was_closed(rig: Rig) -> None:
    rig.opened.source.check()
    rig.opened.close()
    rig.opened.source.check()
    assert rig.opened.source.page(EVERYTHING, 1).documents


def test_one_that_is_gone_is_said_to_be_ill_and_by_no_other_error(own_rig: Rig) -> None:
    source = own_rig.opened.source
    assert source.count(EVERYTHING).documents
    own_rig.take_away()
    with pytest.raises(SyncError) as caught:
        source.check()
    assert caught.value.problem.where == "source"
