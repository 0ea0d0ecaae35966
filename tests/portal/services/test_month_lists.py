"""Is a month whole? By what all batches say of it, on each database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from portal.models import Overlap
from portal.services import batches, month_lists, retrying
from portal.services.month_lists import Equality, MonthFilter
from portal.services.month_state import Month, MonthState
from portal.services.paging import Place
from portal.services.verification import Order
from portal.sync.archive.local import LocalArchive
from portal.sync.sources.rows import SourceDocument
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.ledger_scene import BY, SHANGHAI, Scene, failed, stored
from tests.portal.services.archive_scene import Checking, flip_a_bit, path_of, published_all

NEWEST = Place("month", descending=True)


def on(day: int, number: int = 0, **changes: Any) -> SourceDocument:
    """A document collected on a day of January 2024."""
    noon = datetime(2024, 1, day, 4, tzinfo=UTC)
    return make_document(number or day, collected_at=noon, **changes)


def run(
    scene: Scene,
    documents: Sequence[SourceDocument],
    first: str = "2024-01-01",
    last: str = "2024-01-31",
    *codes: str,
    orgs: tuple[str, ...] = (),
    end: bool = True,
) -> int:
    """A batch that lists these documents and fails the first ones for the codes."""
    scene.advance(60)
    scope = replace(scene.scope(first, last, Overlap.MISSING_AND_FAILED), org_codes=orgs)
    with scene.ledger.write() as session:
        batch = batches.create(session, scope, by=BY, now=scene.now, zone=SHANGHAI)
        batches.start(session, batch, by=BY, now=scene.now)
        batch_id = batch.id
    scene.list_all(batch_id, documents)
    if end:
        settle(scene, batch_id, *codes)
    return batch_id


def settle(scene: Scene, batch_id: int, *codes: str) -> None:
    claims = scene.claim(batch_id)
    broken = [failed(claim, code) for claim, code in zip(claims, codes, strict=False)]
    scene.settle(batch_id, *broken, *map(stored, claims[len(codes) :]))


def months(scene: Scene, place: Place = NEWEST, **wanted: Any) -> list[Month]:
    with scene.ledger.read() as session:
        for filters in (MonthFilter(**wanted), MonthFilter()):
            rows = list(month_lists.month_page(session, filters, place).rows)
            assert_the_database_agrees(session, rows)
        return list(month_lists.month_page(session, MonthFilter(**wanted), place).rows)


def assert_the_database_agrees(session: Session, rows: Sequence[Month]) -> None:
    """What it lets through as equal or not is what is shown as equal or not."""
    for equality in Equality:
        leaf = month_lists.month_page(session, MonthFilter(equality=equality), NEWEST)
        found = {one.key for one in leaf.rows}
        for month in rows:
            counting = [one for one in month.parts if one.counts]
            lacks = any(not one.is_complete for one in counting)
            is_of_it = lacks if equality is Equality.UNEQUAL else bool(counting) and not lacks
            assert (month.key in found) is is_of_it, (month.key, equality)


def only(scene: Scene) -> tuple[MonthState, tuple[int, int, int, bool] | None]:
    (month,) = months(scene)
    sums = month.sums()
    counts = None if sums is None else (sums.total, sums.done, sums.failed, sums.at_least)
    return month.state(SHANGHAI), counts


def test_a_month_that_one_batch_has_synced_is_whole(scene: Scene) -> None:
    run(scene, [on(3), on(20)])
    assert only(scene) == (MonthState.WHOLE, (2, 2, 0, False))
    (month,) = months(scene)
    assert [[str(day) for day in days] for days in month.covered_days(SHANGHAI)] == [
        ["2024-01-01", "2024-01-31"]
    ]


def test_a_failure_makes_it_unequal_until_it_is_synced(scene: Scene) -> None:
    batch_id = run(scene, [on(3), on(20)], "2024-01-01", "2024-01-31", "FILE_CORRUPT")
    assert only(scene) == (MonthState.UNEQUAL, (2, 1, 1, False))
    scene.do(retrying.retry, batch_id, month="2024-01")
    assert only(scene)[0] is MonthState.RUNNING
    settle(scene, batch_id)
    assert only(scene) == (MonthState.WHOLE, (2, 2, 0, False))


def test_parts_of_a_month_add_up_and_gaps_are_seen(scene: Scene) -> None:
    documents = [on(3), on(20), on(31)]
    run(scene, documents, "2024-01-01", "2024-01-15")
    run(scene, documents, "2024-01-17", "2024-01-31")
    assert only(scene) == (MonthState.PART, (3, 3, 0, False))
    (month,) = months(scene)
    covered = [(first.day, last.day) for first, last in month.covered_days(SHANGHAI)]
    assert covered == [(1, 15), (17, 31)]
    run(scene, documents, "2024-01-16", "2024-01-16")
    assert only(scene) == (MonthState.WHOLE, (3, 3, 0, False))


def test_a_batch_of_some_organisations_alone_is_not_the_whole_month(scene: Scene) -> None:
    run(scene, [on(3)], orgs=("1001",))
    run(scene, [on(20, org_code="1002")], orgs=("1002",))
    assert only(scene) == (MonthState.PART, (2, 2, 0, False))
    assert months(scene)[0].covered_days(SHANGHAI) == []


def test_a_later_batch_over_all_of_it_takes_the_place_of_an_earlier_one(scene: Scene) -> None:
    run(scene, [on(3), on(20)], "2024-01-01", "2024-01-20", "FILE_CORRUPT")
    run(scene, [on(3), on(20)], "2024-01-01", "2024-01-31")
    assert only(scene) == (MonthState.WHOLE, (2, 2, 0, False))
    assert [part.superseded for part in months(scene)[0].parts] == [True, False]


def test_what_a_later_batch_of_less_found_still_counts(scene: Scene) -> None:
    run(scene, [on(3), on(20)])
    assert only(scene)[0] is MonthState.WHOLE
    run(scene, [on(3), on(4)], "2024-01-01", "2024-01-10", "FILE_CORRUPT")
    assert only(scene) == (MonthState.UNEQUAL, None)
    assert len(months(scene, equality=Equality.UNEQUAL)) == 1


def test_a_narrower_batch_that_is_complete_is_not_counted_twice(scene: Scene) -> None:
    run(scene, [on(3), on(20)])
    run(scene, [on(3)], "2024-01-01", "2024-01-10")
    assert only(scene) == (MonthState.WHOLE, (2, 2, 0, True))


def test_ranges_that_cross_have_no_sum(scene: Scene) -> None:
    run(scene, [on(12)], "2024-01-01", "2024-01-20")
    run(scene, [on(12)], "2024-01-10", "2024-01-31")
    assert only(scene) == (MonthState.WHOLE, None)


def test_of_two_equal_batches_that_ran_side_by_side_one_is_counted(scene: Scene) -> None:
    first = run(scene, [on(3)], end=False)
    second = run(scene, [on(3)], end=False)
    settle(scene, first)
    settle(scene, second)
    assert scene.counts(second)[0] == 1
    assert only(scene) == (MonthState.WHOLE, (1, 1, 0, True))


def test_what_runs_says_so_and_what_waits_says_nothing(scene: Scene) -> None:
    scene.add_batch(start=False)
    assert only(scene) == (MonthState.NOTHING, None)
    assert months(scene, equality=Equality.EQUAL) == []
    batch_id = run(scene, [on(3)], end=False)
    assert only(scene)[0] is MonthState.RUNNING
    settle(scene, batch_id)
    assert only(scene)[0] is MonthState.WHOLE


def test_a_month_of_which_documents_lack_is_not_equal(scene: Scene) -> None:
    scene.advance(60)
    batch_id = scene.add_batch()
    source = FakeSource([on(3)])
    source.counted = 5
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    settle(scene, batch_id)
    assert only(scene)[0] is MonthState.UNEQUAL
    assert months(scene)[0].parts[0].can_be_retried


def test_sources_and_deleted_batches_are_kept_apart(scene: Scene) -> None:
    scene.do(batches.delete, run(scene, [on(3)], "2024-01-01", "2024-01-31", "FILE_CORRUPT"))
    assert months(scene) == []
    mine = scene.source_id
    run(scene, [on(3)])
    other = scene.source_id = scene.add_source("别的系统")
    run(scene, [on(3)], "2024-01-01", "2024-02-29", "FILE_CORRUPT")
    found = [(one.month, one.source.id) for one in months(scene)]
    assert sorted(found) == sorted([("2024-01", mine), ("2024-01", other), ("2024-02", other)])
    assert [one.source.id for one in months(scene, source_id=mine)] == [mine]
    assert [one.month for one in months(scene, first="2024-02")] == ["2024-02"]
    assert {one.month for one in months(scene, last="2024-01")} == {"2024-01"}
    equal = {(one.month, one.source.id) for one in months(scene, equality=Equality.EQUAL)}
    assert equal == {("2024-01", mine), ("2024-02", other)}
    worst = months(scene, Place("failed", descending=True))[0]
    assert (worst.month, worst.source.id) == ("2024-01", other)


def test_months_come_page_by_page(scene: Scene) -> None:
    run(scene, [], "2023-01-01", "2024-12-31")
    with scene.ledger.read() as session:
        first = month_lists.month_page(session, MonthFilter(), Place("month", True, size=20))
        place = Place("month", descending=True, size=20, after=first.last)
        second = month_lists.month_page(session, MonthFilter(), place)
    assert [one.month for one in first.rows][:2] == ["2024-12", "2024-11"]
    assert [one.month for one in second.rows] == ["2023-04", "2023-03", "2023-02", "2023-01"]
    assert second.last is None


@pytest.fixture
def checking(scene: Scene, tmp_path: Path) -> Checking:
    return Checking(scene, LocalArchive(tmp_path / "archive"))


def test_a_damaged_document_is_told_until_it_is_put_right(
    scene: Scene, checking: Checking, tmp_path: Path
) -> None:
    batch_id = run(scene, [on(3), on(20)], end=False)
    scene.settle(batch_id, *published_all(checking.archive, *scene.claim(batch_id)))
    assert only(scene)[0] is MonthState.WHOLE
    file = path_of(scene, tmp_path / "archive", "FYBX00003")
    flip_a_bit(file)
    scene.advance(60)
    assert not checking.run(Order(month="2024-01")).is_clean
    assert only(scene)[0] is MonthState.DAMAGED
    assert months(scene)[0].parts[0].damaged == 1
    scene.advance(60)
    assert not checking.run().is_clean  # found twice, counted once
    assert months(scene)[0].parts[0].damaged == 1
    flip_a_bit(file)  # restored
    scene.advance(60)
    checking.run(Order(month="2024-02"))
    assert only(scene)[0] is MonthState.DAMAGED
    checking.run(Order(month="2024-01"))
    assert only(scene)[0] is MonthState.WHOLE


def test_a_document_that_was_replaced_is_damaged_no_more(
    scene: Scene, checking: Checking, tmp_path: Path
) -> None:
    batch_id = run(scene, [on(3)], end=False)
    scene.settle(batch_id, *published_all(checking.archive, *scene.claim(batch_id)))
    path_of(scene, tmp_path / "archive", "FYBX00003").unlink()
    scene.advance(60)
    assert not checking.run().is_clean
    assert only(scene)[0] is MonthState.DAMAGED
    scene.advance(60)
    again = scene.listed_batch([on(3, bill_no="new")], Overlap.ALL)
    scene.settle(again, *published_all(checking.archive, *scene.claim(again), text="new"))
    assert only(scene)[0] is MonthState.WHOLE
    assert [part.damaged for part in months(scene)[0].parts] == [0, 0]
    scene.advance(60)
    checking.run()  # which tells of the earlier version, not of the one in force
    assert only(scene)[0] is MonthState.WHOLE
