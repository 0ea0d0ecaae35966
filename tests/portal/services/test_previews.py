"""What a batch would do: counted at the source, estimated from what was measured, or not told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import update

from portal.errors import NotAllowed, SyncError
from portal.models import Batch, Overlap
from portal.services import batches, counting, previews
from portal.services.batches import BatchScope
from portal.services.counting import Counted, MonthCount, Sample
from portal.services.previews import Basis, Estimate
from portal.sync.sources.rows import Count, Scope, SourceDocument
from tests.portal.fake_source import FakeSource, make_document, make_file
from tests.portal.ledger_scene import SHANGHAI, Scene, failed, stored

JANUARY = Counted(1, (MonthCount("2024-01", 100, 300, 60_000),))


def estimate(scene: Scene, counted: Counted = JANUARY, **words: Any) -> Estimate:
    overlap = words.pop("overlap", Overlap.MISSING)
    with scene.ledger.read() as session:
        return previews.estimate(
            session, scene.scope(overlap=overlap), counted, free_bytes=words.get("free", 10**9)
        )


_numbers = count(1)


def ran(scene: Scene, seconds: float, documents: int = 20) -> int:
    """A batch that moved so many documents of 100 bytes in so many seconds."""
    first = 1000 * next(_numbers)
    listed = [replace(make_document(n), image_no=f"RAN{first + n}") for n in range(documents)]
    batch_id = scene.listed_batch(listed, Overlap.ALL)
    scene.advance(seconds)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    return batch_id


# At the source.


def sized(number: int) -> SourceDocument:
    """A document of two files, 120 bytes."""
    files = (make_file(number, 1, size=50), make_file(number, 2, size=70))
    return replace(make_document(number), files=files)


class Telling(FakeSource):
    """Tells the sizes of its files in its counts too."""

    def count(self, scope: Scope) -> Count:
        self.before_count()
        inside = self._within(scope)
        size = sum(file.size or 0 for document in inside for file in document.files)
        return Count(len(inside), len(inside), size, ())


def counted_at(source: FakeSource, scope: BatchScope, waited: list[float]) -> Counted:
    months = counting.months_of(scope, SHANGHAI)
    found = tuple(counting.count_months(source, scope, months, waited.append))
    return counting.with_sample(source, scope, months, Counted(len(months), found), waited.append)


def test_every_month_of_the_range_is_counted_by_itself(scene: Scene) -> None:
    source = Telling([sized(n) for n in range(3)])
    counted = counted_at(source, scene.scope("2023-12-15", "2024-02-10"), [])
    assert [(one.month, one.documents) for one in counted.months] == [
        ("2023-12", 0),
        ("2024-01", 3),
        ("2024-02", 0),
    ]
    assert counted.is_complete
    assert counted.bytes == 360
    assert counted.sample is None
    assert Counted.from_json(counted.as_json()) == counted


def test_sizes_the_source_does_not_count_are_sampled_from_the_fullest_month(scene: Scene) -> None:
    source = FakeSource([sized(n) for n in range(5)], page_size=3)
    counted = counted_at(source, scene.scope("2023-12-01", "2024-01-31"), [])
    assert counted.bytes is None
    assert counted.sample == Sample(documents=3, files=6, bytes=360)


def test_a_source_that_limits_the_rate_is_waited_for_a_few_times(scene: Scene) -> None:
    refusals = [SyncError("SRC_THROTTLED", retry_after=wait) for wait in (2.0, 900.0)]

    def refuse() -> None:
        if refusals:
            raise refusals.pop(0)

    source, waited = Telling([make_document(1)]), list[float]()
    source.before_count = refuse
    assert counted_at(source, scene.scope(), waited).documents == 1
    assert waited == [2.0, 5.0]


def test_any_other_failure_is_told_at_once(scene: Scene) -> None:
    def fail() -> None:
        raise SyncError("SRC_SERVER_ERROR", status=503)

    source, waited = Telling([]), list[float]()
    source.before_count = fail
    with pytest.raises(SyncError, match="SRC_SERVER_ERROR"):
        counted_at(source, scene.scope(), waited)
    assert waited == []


# In the ledger.


def test_without_any_run_there_is_no_time_and_without_any_size_no_size(scene: Scene) -> None:
    told = estimate(scene, Counted(1, (MonthCount("2024-01", 100, None, None),)))
    assert (told.size, told.seconds, told.bytes_to_move, told.to_move) == (None, None, None, 100)
    assert not told.is_tight


def test_sizes_come_from_the_source_else_from_what_was_archived_else_from_a_sample(
    scene: Scene,
) -> None:
    untold = Counted(1, (MonthCount("2024-01", 100, None, None),), Sample(4, 8, 400))
    assert estimate(scene).size == previews.Size(300, 60_000, Basis.SOURCE)
    assert estimate(scene, untold).size == previews.Size(200, 10_000, Basis.SAMPLE, 4)
    ran(scene, 10)
    assert estimate(scene, untold).size == previews.Size(100, 10_000, Basis.ARCHIVED, 20)
    assert estimate(scene).size == previews.Size(300, 60_000, Basis.SOURCE)


def test_the_time_ranges_from_the_fastest_to_the_slowest_run_of_this_source(scene: Scene) -> None:
    ran(scene, 10)  # 2 documents, 200 bytes a second
    ran(scene, 40)  # 0.5 documents, 50 bytes a second
    own, scene.source_id = scene.source_id, scene.add_source("别的")
    ran(scene, 1)
    scene.source_id = own
    counted = Counted(1, (MonthCount("2024-01", 100, 100, 10_000),))
    told = estimate(scene, counted)
    assert told.pace is not None
    assert told.pace.runs == 2
    assert told.seconds == pytest.approx((50, 200))


def test_runs_that_were_paused_or_moved_next_to_nothing_are_no_measure(scene: Scene) -> None:
    ran(scene, 10, documents=9)
    paused = ran(scene, 10)
    with scene.ledger.write() as session:
        session.execute(update(Batch).where(Batch.id == paused).values(run_no=2))
    assert estimate(scene).pace is None


def test_what_is_archived_is_not_moved_again_unless_the_policy_looks_at_it(scene: Scene) -> None:
    counted = replace(JANUARY, archived=25)
    assert estimate(scene, counted).to_move == 75
    assert estimate(scene, counted).bytes_to_move == 45_000
    assert estimate(scene, counted, overlap=Overlap.ALL).to_move == 100


def test_too_little_room_is_told(scene: Scene) -> None:
    assert not estimate(scene, free=60_000).is_tight
    assert estimate(scene, free=59_999).is_tight


def test_the_ledger_knows_what_is_archived_of_the_scope(scene: Scene) -> None:
    batch_id = scene.listed_batch(
        [make_document(n, org_code=f"100{n % 2}") for n in range(6)], Overlap.MISSING
    )
    claims = scene.claim(batch_id)
    scene.settle(batch_id, failed(claims[0], "FILE_CORRUPT"), *map(stored, claims[1:]))
    scene.add_noise([make_document(50)])

    def known(scope: BatchScope) -> tuple[int, int]:
        with scene.ledger.read() as session:
            return previews.known_documents(session, scope, SHANGHAI)

    assert known(scene.scope()) == (5, 1)
    assert sum(known(replace(scene.scope(), org_codes=("1001",)))) == 3
    assert known(replace(scene.scope(), bill_type_codes=("none",))) == (0, 0)
    assert known(scene.scope("2024-02-01", "2024-02-29")) == (0, 0)


def test_batches_that_share_days_organisations_and_types_overlap(scene: Scene) -> None:
    first = scene.add_batch("2024-01-01", "2024-01-31")
    scene.add_batch("2024-04-01", "2024-04-30")
    scene.add_noise([])

    def overlapping(**changes: Any) -> list[tuple[int, int]]:
        scope = replace(scene.scope("2024-01-20", "2024-03-31"), **changes)
        with scene.ledger.read() as session:
            return [(one.batch.id, one.days) for one in previews.earlier_batches(session, scope)]

    assert overlapping() == [(first, 12)]
    assert overlapping(org_codes=("1001",)) == [(first, 12)]
    with scene.ledger.write() as session:
        session.execute(update(Batch).where(Batch.id == first).values(org_codes=["1002"]))
    assert overlapping(org_codes=("1001",)) == []


def test_the_twin_is_the_unfinished_batch_of_an_equal_scope(scene: Scene) -> None:
    def twin(scope: BatchScope) -> int | None:
        with scene.ledger.read() as session:
            found = previews.twin(session, scope)
            return found.id if found else None

    assert twin(scene.scope()) is None
    waiting = scene.add_batch(start=False)
    assert twin(scene.scope()) == waiting
    assert twin(scene.scope(overlap=Overlap.ALL)) is None
    scene.do(batches.cancel, waiting)
    assert twin(scene.scope()) is None


def test_days_to_come_are_told(scene: Scene) -> None:
    today = scene.now.astimezone(SHANGHAI).date()
    last = (today + timedelta(days=1)).isoformat()
    scope = scene.scope("2024-01-01", last)
    assert previews.future_days(scope, now=scene.now, zone=SHANGHAI) == today
    scope = scene.scope("2024-01-01", today.isoformat())
    assert previews.future_days(scope, now=scene.now, zone=SHANGHAI) is None


def test_an_impossible_scope_is_refused_before_the_source_is_asked(scene: Scene) -> None:
    with scene.ledger.read() as session:
        for words in ({"date_to": date(2023, 1, 1)}, {"source_id": 999}):
            with pytest.raises(NotAllowed):
                batches.check_scope(session, replace(scene.scope(), **words), SHANGHAI)
        months = batches.check_scope(session, scene.scope("2024-01-31", "2024-02-01"), SHANGHAI)
    assert [month.month for month in months] == ["2024-01", "2024-02"]
