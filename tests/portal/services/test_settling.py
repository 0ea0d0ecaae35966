from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from portal.errors import SyncError
from portal.models import Batch
from portal.services import batches
from portal.services.settling import end_if_settled
from portal.statuses import RunStatus, SyncStatus
from portal.sync.transfer.work import Claim, Result
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.ledger_scene import Scene, failed, stored


def ends(scene: Scene, batch_id: int) -> int:
    return len(scene.events(batch_id, "batch.end"))


def corrupt(claim: Claim) -> Result:
    return failed(claim, "FILE_CORRUPT", kind="jpeg", detail="-")


def test_the_last_document_ends_the_batch_once(scene: Scene) -> None:
    batch_id = scene.listed_batch([make_document(0), make_document(1)])
    first, second = scene.claim(batch_id)
    scene.settle(batch_id, stored(first))
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING
    scene.settle(batch_id, stored(second))
    scene.settle(batch_id, stored(second))
    with scene.ledger.write() as session:
        assert not end_if_settled(session, batch_id, by="w9", now=scene.now)
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.ended_at, batch.sync_status) == (
        RunStatus.ENDED, scene.now, SyncStatus.COMPLETE,
    )  # fmt: skip
    (event,) = scene.events(batch_id, "batch.end")
    assert (event.actor, event.reason, event.detail) == (
        "w1", "complete", {"total": 2, "done": 2, "failed": 0},
    )  # fmt: skip


def test_workers_that_settle_the_last_documents_together_end_the_batch_once(scene: Scene) -> None:
    for _ in range(5):
        batch_id = scene.add_batch()
        numbers = range(batch_id * 100, batch_id * 100 + 4)
        scene.list_all(batch_id, [make_document(number) for number in numbers])
        claims = scene.claim(batch_id)
        together = threading.Barrier(len(claims))

        def settle(
            claim: Claim, batch_id: int = batch_id, at: threading.Barrier = together
        ) -> None:
            at.wait()
            scene.settle(batch_id, stored(claim))

        threads = [threading.Thread(target=settle, args=(claim,)) for claim in claims]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert scene.batch(batch_id).run_status is RunStatus.ENDED
        assert ends(scene, batch_id) == 1


def test_a_month_whose_listing_fails_beside_the_last_document_ends_the_batch(scene: Scene) -> None:
    """The two are different rows, so neither transaction waits for the other by itself."""
    for turn in range(5):
        batch_id = scene.add_batch(last="2024-02-29")
        january, february = scene.slices(batch_id)
        source = FakeSource([make_document(turn)])
        scene.discovery(source).list_slice(january.id)
        (claim,) = scene.claim(batch_id)
        together = threading.Barrier(2)

        def refuse(_: int, at: threading.Barrier = together) -> None:
            at.wait()
            raise SyncError("SRC_FORBIDDEN")

        source.before_page = refuse
        lister = threading.Thread(
            target=scene.discovery(source, owner="w2").list_slice, args=(february.id,)
        )
        lister.start()
        together.wait()
        scene.settle(batch_id, stored(claim))
        lister.join()
        assert scene.batch(batch_id).run_status is RunStatus.ENDED
        assert ends(scene, batch_id) == 1


def test_a_month_without_documents_is_complete(scene: Scene) -> None:
    batch_id = scene.listed_batch([])
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.sync_status) == (RunStatus.ENDED, SyncStatus.COMPLETE)


def test_a_month_not_yet_listed_keeps_the_batch_open(scene: Scene) -> None:
    batch_id = scene.add_batch(last="2024-02-29")
    january, february = scene.slices(batch_id)
    source = FakeSource([make_document(0)])
    scene.discovery(source).list_slice(january.id)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, stored(claim))
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING
    scene.discovery(source).list_slice(february.id)
    assert scene.batch(batch_id).run_status is RunStatus.ENDED


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([stored, stored], SyncStatus.COMPLETE),
        ([stored, corrupt], SyncStatus.PARTIAL),
        ([corrupt, corrupt], SyncStatus.FAILED),
    ],
)
def test_how_an_ended_batch_is_judged(
    scene: Scene, outcomes: list[object], status: SyncStatus
) -> None:
    batch_id = scene.listed_batch([make_document(0), make_document(1)])
    assert scene.batch(batch_id).sync_status is SyncStatus.PENDING
    scene.settle(
        batch_id,
        *(
            outcome(claim)  # type: ignore[operator]
            for outcome, claim in zip(outcomes, scene.claim(batch_id), strict=True)
        ),
    )
    assert scene.batch(batch_id).sync_status is status
    assert scene.slice(batch_id).sync_status is status


@pytest.mark.parametrize(
    ("counted", "outcome", "status"),
    [
        (10, stored, SyncStatus.PARTIAL),
        (10, corrupt, SyncStatus.FAILED),
        (1, stored, SyncStatus.COMPLETE),
    ],
)
def test_a_month_that_lists_less_than_was_counted_is_never_complete(
    scene: Scene, counted: int, outcome: Callable[[Claim], Result], status: SyncStatus
) -> None:
    batch_id = scene.add_batch()
    source = FakeSource([make_document(0)])
    source.counted = counted
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, outcome(claim))
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.listing_failed) == (RunStatus.ENDED, counted > 1)
    assert (batch.sync_status, scene.slice(batch_id).sync_status) == (status, status)


def test_a_month_that_lists_nothing_of_what_was_counted_has_failed(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource()
    source.counted = 10
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.sync_status) == (RunStatus.ENDED, SyncStatus.FAILED)


def test_a_month_that_lists_more_than_was_counted_is_complete(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource([make_document(0), make_document(1)])
    source.counted = 1
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    assert scene.slice(batch_id).error_code == "SRC_LISTING_UNSTABLE"
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    assert scene.batch(batch_id).sync_status is SyncStatus.COMPLETE


@pytest.mark.parametrize("stopped_by", [batches.pause, batches.give_back])
def test_a_batch_that_was_settled_while_it_stood_still_ends_when_it_goes_on(
    scene: Scene, stopped_by: object
) -> None:
    batch_id = scene.listed_batch([make_document(0)])
    (claim,) = scene.claim(batch_id)
    scene.do(stopped_by, batch_id)
    scene.settle(batch_id, stored(claim))
    assert scene.batch(batch_id).run_status is RunStatus.WAITING
    go_on = batches.resume if scene.batch(batch_id).paused_by else batches.start
    scene.do(go_on, batch_id)
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.sync_status) == (RunStatus.ENDED, SyncStatus.COMPLETE)


def test_ending_keeps_what_its_caller_changed_in_the_same_transaction(scene: Scene) -> None:
    batch_id = scene.add_batch()
    with scene.ledger.write() as session:
        session.get_one(Batch, batch_id).created_by = "李雷"
        end_if_settled(session, batch_id, by="w1", now=scene.now)
    assert scene.batch(batch_id).created_by == "李雷"
