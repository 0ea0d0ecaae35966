"""The clock of a running installation is moved by two hours, either way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.errors import SyncError
from portal.models import Batch, Slice, Worker
from portal.services import batches, holds, leases, retrying
from portal.services.clock_steps import draw_back
from portal.services.discovery import LISTING_LEASE, due_slice
from portal.services.leases import LEASE_SECONDS
from portal.services.streaks import MOST_FAILURES
from portal.statuses import ListingStatus
from portal.sync.transfer.work import Result
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.ledger_scene import Scene, failed, stored

TWO_HOURS = 2 * 3600.0


def listed(scene: Scene, count: int) -> int:
    return scene.listed_batch([make_document(number) for number in range(count)])


def step_back(scene: Scene, seconds: float = TWO_HOURS) -> int:
    scene.advance(-seconds)
    return draw_back(scene.ledger, now=scene.now)


def test_put_forward_the_leases_end_and_the_fence_refuses_the_late_result(scene: Scene) -> None:
    batch_id = listed(scene, 2)
    held = scene.claim(batch_id)
    scene.advance(TWO_HOURS)
    assert draw_back(scene.ledger, now=scene.now) == 0
    again = scene.claim(batch_id, owner="w2")
    assert len(again) == 2
    late = [stored(claim) for claim in held]
    assert scene.settle(batch_id, *late) == late
    scene.settle(batch_id, *(stored(claim) for claim in again), owner="w2")
    assert scene.counts(batch_id) == (2, 2, 0, 0)


def test_put_back_untried_documents_do_not_wait(scene: Scene) -> None:
    batch_id = listed(scene, 3)
    scene.advance(-TWO_HOURS)
    assert scene.claim(batch_id) == []
    assert draw_back(scene.ledger, now=scene.now) == 3
    assert len(scene.claim(batch_id)) == 3
    assert draw_back(scene.ledger, now=scene.now) == 0


def test_put_back_what_a_dead_worker_held_waits_one_lease(scene: Scene) -> None:
    batch_id = listed(scene, 1)
    scene.claim(batch_id)
    assert step_back(scene) == 1
    assert scene.claim(batch_id, owner="w2") == []
    scene.advance(LEASE_SECONDS)
    assert len(scene.claim(batch_id, owner="w2")) == 1


def test_put_back_a_living_worker_keeps_its_documents(scene: Scene) -> None:
    batch_id = listed(scene, 1)
    held = scene.claim(batch_id)
    step_back(scene)
    assert scene.renew(held) == frozenset()
    assert scene.settle(batch_id, *(stored(claim) for claim in held)) == []
    assert scene.counts(batch_id) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    "error",
    [
        SyncError("SRC_TIMEOUT", seconds=60),
        SyncError("ARCHIVE_FULL"),  # our own trouble: does not count as a try
        SyncError("SRC_THROTTLED", retry_after=3600.0),
    ],
    ids=lambda error: error.code,
)
def test_put_back_no_back_off_lasts_two_hours(scene: Scene, error: SyncError) -> None:
    batch_id = listed(scene, 1)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, Result(claim, error=error))
    assert step_back(scene) == 1
    assert len(scene.claim(batch_id)) == 1


def test_an_honest_back_off_is_left_alone(scene: Scene) -> None:
    batch_id = listed(scene, 2)
    first, second = scene.claim(batch_id)
    scene.settle(batch_id, Result(first, error=SyncError("SRC_THROTTLED", retry_after=3600.0)))
    scene.settle(batch_id, failed(second, "SRC_TIMEOUT", seconds=60))
    assert draw_back(scene.ledger, now=scene.now) == 0
    assert scene.claim(batch_id) == []


def test_what_waits_for_its_month_to_be_listed_again_is_not_woken(scene: Scene) -> None:
    batch_id = listed(scene, 1)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, failed(claim, "SRC_NOT_FOUND"))
    scene.do(retrying.retry, batch_id)
    part = scene.slice(batch_id)
    assert part.listing_status is ListingStatus.OPEN
    waits_until = scene.items(batch_id)["FYBX00000"].next_try_at
    assert waits_until - scene.now > timedelta(hours=20)
    step_back(scene)
    assert scene.items(batch_id)["FYBX00000"].next_try_at == waits_until
    scene.discovery(FakeSource([make_document(0)])).list_slice(part.id)
    assert len(scene.claim(batch_id)) == 1


def test_put_back_a_month_is_listed_soon(scene: Scene) -> None:
    opened = scene.add_batch()
    held = scene.add_batch("2024-02-01", "2024-02-29")
    with scene.ledger.write() as session:
        session.execute(
            update(Slice)
            .where(Slice.batch_id == held)
            .values(lease_owner="w1", next_try_at=scene.now + LISTING_LEASE)
        )
    backed_off = scene.add_batch("2024-03-01", "2024-03-31")
    with scene.ledger.write() as session:
        session.execute(
            update(Slice)
            .where(Slice.batch_id == backed_off)
            .values(error_code="SRC_TIMEOUT", next_try_at=scene.now + timedelta(minutes=5))
        )
    assert step_back(scene) == 3

    def due(batch_id: int) -> bool:
        with scene.ledger.read() as session:
            return due_slice(session, batch_id, scene.now) is not None

    assert [due(batch_id) for batch_id in (opened, held, backed_off)] == [True, False, True]
    scene.now += LISTING_LEASE
    assert due(held)


def test_batches_that_do_not_run_are_left_alone(scene: Scene) -> None:
    noise = listed(scene, 1)
    scene.do(batches.pause, noise)
    assert step_back(scene) == 0


def test_a_worker_seen_in_the_future_is_not_alive(scene: Scene) -> None:
    with scene.ledger.write() as session:
        leases.beat(session, "w1", pid=1, batch_id=None, now=scene.now)
    scene.advance(-TWO_HOURS)
    with scene.ledger.read() as session:
        assert leases.alive_workers(session, now=scene.now) == []
    with scene.ledger.write() as session:
        leases.beat(session, "w1", pid=1, batch_id=None, now=scene.now)
    with scene.ledger.read() as session:
        assert [worker.name for worker in leases.alive_workers(session, now=scene.now)] == ["w1"]
        assert session.get_one(Worker, "w1").seen_at == scene.now


@pytest.mark.parametrize("seconds", [TWO_HOURS, -TWO_HOURS], ids=["forward", "back"])
def test_what_is_held_is_probed_soon_and_goes_on(scene: Scene, seconds: float) -> None:
    batch_id = listed(scene, MOST_FAILURES + 10)
    for claim in scene.claim(batch_id, limit=MOST_FAILURES):
        scene.settle(batch_id, failed(claim, "SRC_NOT_FOUND"))
    scene.advance(seconds)
    draw_back(scene.ledger, now=scene.now)
    (probe,) = scene.claim(batch_id)
    scene.settle(batch_id, failed(probe, "SRC_NOT_FOUND"))
    assert scene.claim(batch_id) == []
    scene.advance(30)
    (probe,) = scene.claim(batch_id)
    scene.settle(batch_id, stored(probe))
    assert len(scene.claim(batch_id)) == 9
    assert scene.counts(batch_id) == (MOST_FAILURES + 10, 1, 0, MOST_FAILURES)


def test_put_back_the_same_cause_is_told_anew_when_it_is_long_ago(scene: Scene) -> None:
    batch_id = listed(scene, MOST_FAILURES + 10)
    for _ in range(2):
        with scene.ledger.write() as session:
            batch = session.get_one(Batch, batch_id)
            cause = SyncError("SRC_NOT_FOUND")
            hold = holds.open_hold(session, cause, batch=batch, by="w1", now=scene.now)
            holds.lift(session, hold.id, by="w1", now=scene.now)
        scene.advance(-TWO_HOURS)
    assert len(scene.events(batch_id, "hold.open")) == 2
