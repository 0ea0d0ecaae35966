"""What a source offers to choose from, listed by itself or read off its counts and documents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.errors import SyncError
from portal.models import Chore
from portal.services import catalogue, chores
from portal.services.catalogue import Catalogue, Entry, Names, Offer
from portal.statuses import ChoreStatus
from portal.sync.sources.rows import Count, CountGroup, Named, Page, Scope, SourceDocument
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.ledger_scene import SHANGHAI, Scene

NOW = datetime(2025, 3, 1, tzinfo=UTC)


class Counting(FakeSource):
    """Counts its documents by month, organisation and type, as the contract says."""

    def __init__(self, documents: Iterable[SourceDocument]) -> None:
        super().__init__(documents, page_size=1)
        self.scopes: list[Scope] = []

    def count(self, scope: Scope) -> Count:
        self.before_count()
        groups = tuple(
            CountGroup(f"{one.collected_at:%Y-%m}", one.org_code, one.bill_type_code, 1, 1, 1, None)
            for one in self._within(scope)
        )
        return Count(len(groups), len(groups), 0, groups)

    def page(self, scope: Scope, page_no: int) -> Page:
        self.scopes.append(scope)
        rows = tuple(
            document
            for document in self._within(scope)
            if (not scope.org_codes or document.org_code in scope.org_codes)
            and (not scope.bill_type_codes or document.bill_type_code in scope.bill_type_codes)
        )
        return Page(len(rows), page_no, rows[:1])


class Listing(FakeSource):
    def count(self, scope: Scope) -> Count:
        raise AssertionError("a source that lists both need not count")

    def organisations(self) -> tuple[Named, ...] | None:
        return (Named("1002", "上海"), Named("1001", "深圳"))

    def bill_types(self) -> tuple[Named, ...] | None:
        return (Named("FYBX", "费用"),)


def read(
    source: FakeSource, names: Names | None = None, waited: list[float] | None = None
) -> Catalogue:
    waits = [] if waited is None else waited
    return catalogue.read(
        source,
        names or Names(),
        now=NOW,
        zone=SHANGHAI,
        told=lambda _done, _of: None,
        wait=waits.append,
    )


def of_org(number: int, org_code: str, org_name: str = "", year: int = 2024) -> SourceDocument:
    at = datetime(year, 5, 6, number, tzinfo=UTC)
    words: dict[str, Any] = {"org_code": org_code, "org_name": org_name, "collected_at": at}
    return make_document(number, bill_type_code="FYBX", bill_type_name="费用报销单", **words)


def test_what_the_source_lists_is_taken_by_code() -> None:
    found = read(Listing())
    assert found.orgs == Offer((Entry("1001", "深圳"), Entry("1002", "上海")), listed=True)
    assert found.types == Offer((Entry("FYBX", "费用"),), listed=True)


def test_a_source_without_lists_offers_what_it_has_documents_of_in_any_year() -> None:
    source = Counting(
        [of_org(1, "1002", "上海"), of_org(2, "1001", "深圳", 2011), of_org(3, "1002")]
    )
    found = read(source)
    assert found.orgs == Offer((Entry("1001", "深圳", 1), Entry("1002", "上海", 2)))
    assert found.types == Offer((Entry("FYBX", "费用报销单", 3),))
    assert found.read_at == NOW


def test_names_that_are_known_are_not_asked_for() -> None:
    source = Counting([of_org(1, "1001", "深圳")])
    found = read(source, Names({"1001": "深圳总部"}, {"FYBX": "费用"}))
    assert [entry.name for entry in found.orgs.entries] == ["深圳总部"]
    assert source.scopes == []


def test_hundreds_of_nameless_organisations_cost_a_few_pages_and_all_are_offered() -> None:
    source = Counting([of_org(n % 24, f"{n:04}", f"组织 {n}") for n in range(300)])
    found = read(source)
    assert len(found.orgs.entries) == 300
    assert len(source.scopes) <= 12
    assert {entry.name for entry in found.orgs.entries if entry.name}


def test_a_source_that_is_down_is_told() -> None:
    def fail() -> None:
        raise SyncError("SRC_SERVER_ERROR", status=503)

    source = Counting([])
    source.before_count = fail
    with pytest.raises(SyncError, match="SRC_SERVER_ERROR"):
        read(source)


def test_it_is_kept_and_replaced_as_a_whole(scene: Scene) -> None:
    first = Catalogue(Offer((Entry("1", "甲", 5), Entry("2", ""))), Offer(listed=True))
    second = Catalogue(Offer((Entry("3", "丙"),)), Offer((Entry("T", "类型"),)))
    with scene.ledger.read() as session:
        assert catalogue.of(session, scene.source_id) == Catalogue()
    for one in (first, second):
        with scene.ledger.write() as session:
            catalogue.keep(session, scene.source_id, one, now=scene.now)
        with scene.ledger.read() as session:
            kept = catalogue.of(session, scene.source_id)
        assert (kept.orgs, kept.types, kept.read_at) == (one.orgs, one.types, scene.now)


def test_names_come_from_the_ledgers_documents_of_that_source_alone(scene: Scene) -> None:
    scene.listed_batch([make_document(1, org_code="1001", org_name="深圳")])
    scene.add_noise([make_document(2, org_code="1002", org_name="上海")])
    with scene.ledger.read() as session:
        assert catalogue.known_names(session, scene.source_id).orgs == {"1001": "深圳"}


def test_it_is_read_again_after_a_day_but_not_by_everybody_after_a_failure(scene: Scene) -> None:
    fresh = Catalogue(read_at=scene.now - timedelta(hours=23))
    old = Catalogue(read_at=scene.now - timedelta(hours=25))

    def tried(minutes: int, status: ChoreStatus) -> Chore:
        return Chore(asked_at=scene.now - timedelta(minutes=minutes), status=status)

    assert not catalogue.is_due(fresh, None, now=scene.now)
    assert catalogue.is_due(Catalogue(), None, now=scene.now)
    assert catalogue.is_due(old, tried(60, ChoreStatus.FAILED), now=scene.now)
    assert not catalogue.is_due(old, tried(5, ChoreStatus.FAILED), now=scene.now)
    assert not catalogue.is_due(old, tried(60, ChoreStatus.RUNNING), now=scene.now)


def test_two_who_look_ask_once(scene: Scene) -> None:
    for name in ("a", "b"):
        with scene.ledger.write() as session:
            catalogue.ask(session, scene.source_id, by=name, now=scene.now)
    with scene.ledger.read() as session:
        subject = catalogue.subject(scene.source_id)
        assert len(chores.newest(session, catalogue.KIND, subject, limit=5)) == 1


def test_a_source_that_limits_the_rate_is_waited_for() -> None:
    refusals = [SyncError("SRC_THROTTLED", retry_after=2.0)]

    def refuse() -> None:
        if refusals:
            raise refusals.pop()

    source, waited = Counting([of_org(1, "1001", "深圳")]), list[float]()
    source.before_count = refuse
    assert [entry.code for entry in read(source, waited=waited).orgs.entries] == ["1001"]
    assert waited == [2.0]
