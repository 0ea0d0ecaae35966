from __future__ import annotations

from datetime import timedelta

import pytest

from portal.errors import SyncError
from portal.services import batches
from portal.statuses import ItemStatus, RunStatus
from portal.sync.transfer.retry import MAX_ATTEMPTS
from portal.sync.transfer.work import Result
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene, failed, stored


def listed(scene: Scene, count: int, files: int = 1) -> int:
    return scene.listed_batch([make_document(number, files=files) for number in range(count)])


def test_a_settled_document_is_in_the_archive_with_all_its_files(scene: Scene) -> None:
    noise = scene.add_noise([make_document(0)])
    batch_id = listed(scene, 1, files=3)
    (claim,) = scene.claim(batch_id)
    assert scene.settle(batch_id, stored(claim)) == []
    document = scene.document("FYBX00000")
    item = scene.items(batch_id)["FYBX00000"]
    assert (document.archived_at, document.folder) == (scene.now, claim.folder)
    assert document.archived_by_item_id == item.id
    assert (item.status, item.finished_at, item.lease_owner) == (ItemStatus.SYNCED, scene.now, None)
    for position, file in enumerate(scene.files(document.id), start=1):
        assert file.storage_key == f"{claim.folder}/{position:02d}-attachment.txt"
        assert (file.size, file.sha256, file.kind, file.stored_at) == (
            100, "0" * 64, "txt", scene.now,
        )  # fmt: skip
    batch = scene.batch(batch_id)
    assert (batch.stored_files, batch.stored_bytes) == (3, 300)
    assert scene.counts(noise) == (1, 0, 0, 0)


def test_settling_twice_counts_once(scene: Scene) -> None:
    batch_id = listed(scene, 3)
    results = [stored(claim) for claim in scene.claim(batch_id, limit=2)]
    assert scene.settle(batch_id, *results) == []
    events = len(scene.events(batch_id))
    assert scene.settle(batch_id, *results) == []
    assert scene.counts(batch_id) == (3, 2, 0, 0)
    assert scene.batch(batch_id).stored_files == 2
    assert len(scene.events(batch_id)) == events


def test_one_group_may_hold_every_outcome(scene: Scene) -> None:
    batch_id = listed(scene, 3)
    good, bad, later = scene.claim(batch_id)
    scene.settle(
        batch_id,
        stored(good),
        failed(bad, "FILE_CORRUPT", kind="jpeg", detail="-"),
        failed(later, "SRC_TIMEOUT", seconds=60),
    )
    assert scene.counts(batch_id) == (3, 1, 0, 1)
    items = scene.items(batch_id)
    assert [item.status for item in items.values()] == [
        ItemStatus.SYNCED, ItemStatus.FAILED, ItemStatus.PENDING,
    ]  # fmt: skip
    wrong = items["FYBX00001"]
    assert (wrong.error_code, wrong.failed_file_id) == ("FILE_CORRUPT", "f-1-1")
    assert wrong.error_params == {"kind": "jpeg", "detail": "-"}
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING
    events = scene.events(batch_id, "item.status")
    assert [(event.old, event.new, event.reason) for event in events] == [
        ("pending", "synced", None),
        ("pending", "failed", "FILE_CORRUPT"),
    ]


def test_a_transient_failure_waits_for_its_next_try(scene: Scene) -> None:
    batch_id = listed(scene, 1)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, failed(claim, "SRC_TIMEOUT", seconds=60))
    item = scene.items(batch_id)["FYBX00000"]
    assert (item.status, item.error_code, item.lease_owner) == (
        ItemStatus.PENDING, "SRC_TIMEOUT", None,
    )  # fmt: skip
    delay = item.next_try_at - scene.now
    assert timedelta(seconds=1) <= delay <= timedelta(seconds=2)
    assert scene.claim(batch_id) == []
    scene.now = item.next_try_at
    (again,) = scene.claim(batch_id)
    assert again.attempt == 2


def test_a_transient_failure_settled_twice_counts_once(scene: Scene) -> None:
    batch_id = listed(scene, 1)
    (claim,) = scene.claim(batch_id)
    result = Result(claim, error=SyncError("ARCHIVE_FULL"))
    scene.settle(batch_id, result)
    once = scene.items(batch_id)["FYBX00000"]
    scene.advance(1)
    scene.settle(batch_id, result)
    twice = scene.items(batch_id)["FYBX00000"]
    assert (twice.attempts, twice.next_try_at) == (once.attempts, once.next_try_at)


def test_the_back_off_grows(scene: Scene) -> None:
    batch_id = listed(scene, 1)
    delays = []
    for _ in range(MAX_ATTEMPTS - 1):
        (claim,) = scene.claim(batch_id)
        scene.settle(batch_id, failed(claim, "SRC_TIMEOUT", seconds=60))
        due = scene.items(batch_id)["FYBX00000"].next_try_at
        delays.append((due - scene.now).total_seconds())
        scene.now = due
    assert all(2**turn <= delay <= 2 ** (turn + 1) for turn, delay in enumerate(delays))


@pytest.mark.parametrize(("asked", "least"), [(45.0, 45.0), (0.0, 1.0)])
def test_retry_after_is_honoured(scene: Scene, asked: float, least: float) -> None:
    batch_id = listed(scene, 1)
    (claim,) = scene.claim(batch_id)
    error = SyncError("SRC_THROTTLED", retry_after=asked)
    scene.settle(batch_id, Result(claim, error=error))
    due = scene.items(batch_id)["FYBX00000"].next_try_at
    assert due >= scene.now + timedelta(seconds=least)


def test_the_last_transient_failure_is_final(scene: Scene) -> None:
    batch_id = listed(scene, 1)
    for _ in range(MAX_ATTEMPTS):
        (claim,) = scene.claim(batch_id)
        scene.settle(batch_id, failed(claim, "SRC_TIMEOUT", seconds=60))
        scene.advance(600)
    item = scene.items(batch_id)["FYBX00000"]
    assert (item.status, item.error_code) == (ItemStatus.FAILED, "SRC_TIMEOUT")
    assert scene.batch(batch_id).run_status is RunStatus.ENDED


def test_what_was_in_flight_at_a_pause_is_recorded(scene: Scene) -> None:
    batch_id = listed(scene, 2)
    first, _ = scene.claim(batch_id)
    scene.do(batches.pause, batch_id)
    scene.settle(batch_id, stored(first))
    assert scene.counts(batch_id) == (2, 1, 0, 0)
    assert scene.batch(batch_id).run_status is RunStatus.WAITING


def test_what_was_in_flight_at_a_cancel_is_recorded_and_ends_nothing_again(scene: Scene) -> None:
    batch_id = listed(scene, 1)
    (claim,) = scene.claim(batch_id)
    scene.do(batches.cancel, batch_id)
    scene.settle(batch_id, stored(claim))
    assert scene.counts(batch_id) == (1, 1, 0, 0)
    assert scene.events(batch_id, "batch.end") == []
