from __future__ import annotations

import threading
from collections import Counter

import pytest

from portal.services import batches, claims, leases, outcomes
from portal.services.claims import MOST_LOSSES, MOST_LOSSES_TOGETHER
from portal.services.leases import LEASE_SECONDS
from portal.services.offers import batches_with_due_work
from portal.statuses import ItemStatus, RunStatus
from portal.sync.sources.rows import SourceDocument
from portal.sync.transfer.work import Claim
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene, failed, stored


def documents(count: int, files: int = 1) -> list[SourceDocument]:
    return [make_document(number, files=files) for number in range(count)]


def test_a_claim_carries_what_a_worker_needs(scene: Scene) -> None:
    scene.add_noise(documents(3))
    batch_id = scene.listed_batch(documents(2, files=3))
    first, second = scene.claim(batch_id)
    assert (first.fence, first.attempt, first.leftovers) == (1, 1, ())
    assert first.folder == "影像系统/2024-01/FYBX00000@EAS"
    assert [file.file_id for file in second.files] == ["f-1-1", "f-1-2", "f-1-3"]
    item = scene.items(batch_id)["FYBX00000"]
    assert (item.lease_owner, item.status, item.attempts) == ("w1", ItemStatus.PENDING, 0)


@pytest.mark.parametrize(("left", "claimed"), [(200, 50), (40, 10), (5, 5)])
def test_near_the_end_nobody_claims_all_that_is_left(scene: Scene, left: int, claimed: int) -> None:
    batch_id = scene.listed_batch(documents(left))
    assert len(scene.desk(batch_id).claim(100)) == claimed


def test_what_is_leased_is_not_claimed_again(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(5))
    mine = scene.claim(batch_id, limit=3)
    others = scene.claim(batch_id, owner="w2")
    assert (len(mine), len(others)) == (3, 2)
    assert not {claim.item_id for claim in mine} & {claim.item_id for claim in others}


@pytest.mark.parametrize("verb", [batches.pause, batches.cancel, batches.give_back])
def test_nothing_is_claimed_from_a_batch_that_does_not_run(scene: Scene, verb: object) -> None:
    batch_id = scene.listed_batch(documents(2))
    scene.do(verb, batch_id)
    assert scene.claim(batch_id) == []


def test_no_document_is_claimed_twice_by_workers_at_the_same_time(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(120))
    taken: dict[str, list[Claim]] = {}
    together = threading.Barrier(4)

    def work(owner: str) -> None:
        mine: list[Claim] = []
        together.wait()
        while claims := scene.claim(batch_id, owner=owner, limit=7):
            mine += claims
        taken[owner] = mine

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claimed = Counter(claim.item_id for claims in taken.values() for claim in claims)
    # A worker may find all that is due locked for a moment and end early; none is claimed twice.
    assert set(claimed.values()) == {1}
    rest = scene.claim(batch_id, owner="last")
    assert len(claimed) + len(rest) == 120


def test_what_another_one_is_claiming_is_passed_over_and_not_waited_for(scene: Scene) -> None:
    batch_id = scene.listed_batch([make_document(number) for number in range(20)])
    with scene.ledger.write() as session:
        if session.get_bind().dialect.name == "sqlite":
            pytest.skip("here one writes at a time")
        first = claims.claim(session, batch_id, owner="w1", limit=5, now=scene.now)
        second = scene.claim(batch_id, owner="w2", limit=5)
    assert len({one.item_id for one in [*first, *second]}) == 10


def test_who_records_results_hides_no_other_document_of_the_month(scene: Scene) -> None:
    batch_id = scene.listed_batch([make_document(number) for number in range(3)])
    (done,) = scene.claim(batch_id, limit=1)
    with scene.ledger.write() as session:
        if session.get_bind().dialect.name == "sqlite":
            pytest.skip("here one writes at a time")
        outcomes.settle(session, batch_id, [stored(done)], by="w1", now=scene.now)
        assert len(scene.claim(batch_id, owner="w2")) == 2


def test_an_expired_lease_is_taken_over_under_a_higher_fence(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(1))
    (old,) = scene.claim(batch_id)
    assert scene.claim(batch_id, owner="w2") == []
    scene.advance(LEASE_SECONDS)
    (new,) = scene.claim(batch_id, owner="w2")
    assert (new.fence, new.attempt) == (2, 1)
    assert new.folder == f"{old.folder}~2"
    assert new.leftovers == (old.folder,)


def test_a_renewed_lease_is_not_taken_over(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(1))
    held = scene.claim(batch_id)
    scene.advance(LEASE_SECONDS - 1)
    assert scene.renew(held) == frozenset()
    scene.advance(LEASE_SECONDS - 1)
    assert scene.claim(batch_id, owner="w2") == []


def test_a_lease_that_ran_out_unnoticed_is_still_renewed(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(1))
    held = scene.claim(batch_id)
    scene.advance(10 * LEASE_SECONDS)
    assert scene.renew(held) == frozenset()
    assert scene.claim(batch_id, owner="w2") == []


def test_renewing_tells_what_was_overtaken(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(2))
    held = scene.claim(batch_id)
    scene.advance(LEASE_SECONDS)
    (lost,) = scene.claim(batch_id, owner="w2", limit=1)
    assert scene.renew(held) == frozenset({lost.item_id})


def test_a_late_settle_of_an_overtaken_claim_is_refused(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(1))
    (old,) = scene.claim(batch_id)
    scene.advance(LEASE_SECONDS)
    (new,) = scene.claim(batch_id, owner="w2")
    late = stored(old)
    assert scene.settle(batch_id, late) == [late]
    assert scene.items(batch_id)["FYBX00000"].status is ItemStatus.PENDING
    assert scene.settle(batch_id, stored(new), owner="w2") == []
    # Later still: the archive's folder is the new claim's, so the old one's is nobody's.
    assert scene.settle(batch_id, late) == [late]
    assert scene.document("FYBX00000").folder == new.folder
    assert scene.counts(batch_id) == (1, 1, 0, 0)


def test_a_late_failure_of_an_overtaken_claim_changes_nothing(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(1))
    (old,) = scene.claim(batch_id)
    scene.advance(LEASE_SECONDS)
    scene.claim(batch_id, owner="w2")
    assert scene.settle(batch_id, failed(old, "FILE_CORRUPT", kind="jpeg", detail="-")) == []
    item = scene.items(batch_id)["FYBX00000"]
    assert (item.status, item.lease_owner) == (ItemStatus.PENDING, "w2")


def test_a_document_in_two_batches_is_moved_by_one_at_a_time(scene: Scene) -> None:
    first, second = scene.listed_batch(documents(1)), scene.listed_batch(documents(1))
    scene.claim(first)
    assert scene.claim(second, owner="w2") == []


def test_fencing_holds_across_two_batches_of_the_same_document(scene: Scene) -> None:
    first, second = scene.listed_batch(documents(1)), scene.listed_batch(documents(1))
    (old,) = scene.claim(first)
    scene.advance(LEASE_SECONDS)
    (new,) = scene.claim(second, owner="w2")
    assert new.fence > old.fence
    late = stored(old)
    assert scene.renew([old]) == frozenset({old.item_id})
    assert scene.settle(first, late) == [late]
    assert scene.settle(second, stored(new), owner="w2") == []
    assert scene.document("FYBX00000").folder == new.folder
    # The first batch then finds the document archived: skipped, and so it ends.
    assert scene.claim(first) == []
    assert scene.counts(first) == (1, 0, 1, 0)
    assert scene.batch(first).run_status is RunStatus.ENDED


def test_the_second_of_two_published_at_the_same_time_is_refused(scene: Scene) -> None:
    first, second = scene.listed_batch(documents(1)), scene.listed_batch(documents(1))
    (one,) = scene.claim(first)
    scene.settle(first, stored(one))
    # Whatever way a claim on the archived document came about, its result is not taken.
    other = Claim(
        **{name: getattr(one, name) for name in one.__slots__}
        | {"item_id": scene.items(second)["FYBX00000"].id, "folder": "elsewhere"}
    )
    late = stored(other)
    assert scene.settle(second, late) == [late]
    assert scene.counts(second) == (1, 0, 1, 0)
    assert scene.document("FYBX00000").folder == one.folder


def test_what_is_released_is_due_at_once_and_was_no_attempt(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(1))
    for _ in range(2 * MOST_LOSSES):
        scene.release(scene.claim(batch_id))
    (claim,) = scene.claim(batch_id, owner="w2")
    assert (claim.attempt, claim.is_alone) == (1, False)


def test_releasing_what_was_overtaken_leaves_it_to_its_new_owner(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(1))
    held = scene.claim(batch_id)
    scene.advance(LEASE_SECONDS)
    scene.claim(batch_id, owner="w2")
    scene.release(held)
    item = scene.items(batch_id)["FYBX00000"]
    assert (item.lease_owner, item.losses) == ("w2", 2)


def test_a_slot_that_starts_again_frees_what_it_held(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(2))
    scene.claim(batch_id, limit=1)
    scene.claim(batch_id, owner="w2", limit=1)
    leases.free_slot(scene.ledger, "w1", now=scene.now)
    assert [claim.fence for claim in scene.claim(batch_id, owner="w3")] == [2]


def test_a_document_that_kills_its_worker_every_time_fails(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(1))
    for loss in range(MOST_LOSSES):
        (claim,) = scene.claim(batch_id)
        assert claim.is_alone == (loss >= MOST_LOSSES_TOGETHER)
        scene.advance(LEASE_SECONDS)
    assert scene.claim(batch_id) == []
    item = scene.items(batch_id)["FYBX00000"]
    assert (item.status, item.error_code) == (ItemStatus.FAILED, "INTERNAL")
    assert item.error_params == {"detail": "worker lost"}
    assert scene.counts(batch_id) == (1, 0, 0, 1)
    assert scene.batch(batch_id).run_status is RunStatus.ENDED


def test_a_document_that_kills_workers_takes_no_other_with_it(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(3))
    for _ in range(MOST_LOSSES_TOGETHER):
        assert len(scene.claim(batch_id, limit=1)) == 1
        scene.lose_lease("FYBX00000", batch_id)
    (alone,) = scene.claim(batch_id, owner="w2")
    assert (alone.is_alone, alone.folder.partition("~")[0]) == (
        True,
        "影像系统/2024-01/FYBX00000@EAS",
    )
    scene.release([alone], owner="w2")
    assert not scene.claim(batch_id, owner="w3")[0].is_alone


def test_only_due_work_is_offered(scene: Scene) -> None:
    waiting = scene.add_batch(start=False)
    batch_id = scene.listed_batch(documents(1))
    unlisted = scene.add_batch()

    def due() -> list[int]:
        with scene.ledger.read() as session:
            return list(batches_with_due_work(session, scene.now, SHANGHAI))

    assert due() == [batch_id, unlisted]
    assert waiting not in due()
    scene.claim(batch_id)
    assert due() == [unlisted]
    scene.advance(LEASE_SECONDS)
    assert due() == [batch_id, unlisted]


def test_workers_that_beat_are_alive(scene: Scene) -> None:
    def beat(pid: int, batch_id: int | None) -> None:
        with scene.ledger.write() as session:
            leases.beat(session, "w1", pid=pid, batch_id=batch_id, now=scene.now)

    def alive() -> list[tuple[str, int, int | None]]:
        with scene.ledger.read() as session:
            workers = leases.alive_workers(session, now=scene.now)
            return [(worker.name, worker.pid, worker.batch_id) for worker in workers]

    beat(1, None)
    scene.advance(9)
    beat(1, 7)
    scene.advance(9)
    assert alive() == [("w1", 1, 7)]
    beat(2, None)
    assert alive() == [("w1", 2, None)]
    scene.advance(11)
    assert alive() == []


def test_what_another_batch_archived_is_passed_in_one_claim(scene: Scene) -> None:
    """A claim does not end with a handful of documents that need no transfer."""
    listed = documents(60)
    overlapping = scene.listed_batch(listed)
    first = scene.listed_batch(listed[:50])
    for claim in scene.claim(first, limit=50):
        scene.settle(first, stored(claim))
    claims = scene.claim(overlapping, owner="w2", limit=8)
    assert len(claims) == 8
    counts = Counter(item.status for item in scene.items(overlapping).values())
    assert counts[ItemStatus.SKIPPED] >= 42
