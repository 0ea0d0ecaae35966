"""文件下载: what is wanted comes first, and alone where its batch waits."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from portal.errors import NotAllowed
from portal.models import Batch, BatchItem, Chore, Slice
from portal.services import batches, chores, claims, fetches
from portal.services.offers import batches_with_due_work
from portal.services.paging import Place
from portal.services.selection import Selection
from portal.statuses import ItemStatus, RunStatus
from portal.sync.transfer.work import Claim
from tests.portal.blocking import wait_until_blocked
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY, SHANGHAI, Scene, failed, stored

DOCUMENTS = [make_document(number) for number in range(6)]


def want(scene: Scene, selection: Selection, *, permanent_too: bool = False) -> int:
    """Ask for a fetch and mark what it wants, as its chore does."""
    with scene.ledger.write() as session:
        chore = fetches.ask(
            session, selection, permanent_too=permanent_too, by=BY, now=scene.now
        ).id
        for batch_id in fetches.batches_of(session, selection):
            fetches.want(
                session,
                batch_id,
                selection,
                chore_id=chore,
                permanent_too=permanent_too,
                zone=SHANGHAI,
                by=BY,
                now=scene.now,
            )
    return chore


def chosen(scene: Scene, *image_nos: str) -> Selection:
    return Selection(document_ids=tuple(scene.document(one).id for one in image_nos))


def claim_wanted(scene: Scene, batch_id: int) -> list[Claim]:
    with scene.ledger.write() as session:
        return claims.claim(
            session, batch_id, owner="w1", limit=100, now=scene.now, wanted_only=True
        )


def due(scene: Scene) -> Sequence[int]:
    with scene.ledger.read() as session:
        return list(batches_with_due_work(session, scene.now, SHANGHAI))


def counts(scene: Scene, chore: int) -> fetches.Counts:
    with scene.ledger.read() as session:
        return fetches.counts(session, chore)


def names(scene: Scene, batch_id: int, claimed: Sequence[Claim]) -> set[str]:
    by_id = {item.id: name for name, item in scene.items(batch_id).items()}
    return {by_id[claim.item_id] for claim in claimed}


def numbers(scene: Scene, *batch_ids: int) -> tuple[str, ...]:
    return tuple(scene.batch(batch_id).batch_no for batch_id in batch_ids)


def test_of_a_waiting_batch_only_the_chosen_documents_move(scene: Scene) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    scene.do(batches.pause, batch_id)
    assert due(scene) == []
    chore = want(scene, chosen(scene, "FYBX00002", "FYBX00004"))
    assert due(scene) == [batch_id]
    assert scene.claim(batch_id) == []
    claimed = claim_wanted(scene, batch_id)
    assert names(scene, batch_id, claimed) == {"FYBX00002", "FYBX00004"}
    assert claim_wanted(scene, batch_id) == []
    scene.settle(batch_id, *map(stored, claimed))
    assert scene.counts(batch_id) == (6, 2, 0, 0)
    assert scene.batch(batch_id).run_status is RunStatus.WAITING
    assert due(scene) == []
    assert counts(scene, chore) == fetches.Counts(whole=2)
    # And when it goes on, the others follow and it ends by itself.
    scene.do(batches.resume, batch_id)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    assert scene.counts(batch_id) == (6, 6, 0, 0)
    assert scene.batch(batch_id).run_status is RunStatus.ENDED


def test_a_waiting_batch_whose_last_documents_were_fetched_ends_when_it_is_resumed(
    scene: Scene,
) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    scene.do(batches.pause, batch_id)
    want(scene, Selection(batch_nos=numbers(scene, batch_id)))
    scene.settle(batch_id, *map(stored, claim_wanted(scene, batch_id)))
    assert scene.batch(batch_id).run_status is RunStatus.WAITING
    scene.do(batches.resume, batch_id)
    assert scene.batch(batch_id).run_status is RunStatus.ENDED


def test_in_a_running_batch_what_is_wanted_comes_first_and_its_backoff_is_over(
    scene: Scene,
) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    (last,) = scene.claim(batch_id, limit=1)
    scene.settle(batch_id, failed(last, "SRC_SERVER_ERROR", status=503))
    backing_off = next(iter(names(scene, batch_id, [last])))
    want(scene, chosen(scene, backing_off, "FYBX00005"))
    claimed = scene.claim(batch_id, limit=3)
    assert names(scene, batch_id, claimed) == {backing_off, "FYBX00005"}
    assert len(scene.claim(batch_id)) == 4


def test_in_an_ended_batch_only_what_may_pass_is_tried_again_unless_asked(scene: Scene) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    claimed = scene.claim(batch_id)
    broken = [
        failed(claimed[0], "FILE_CORRUPT", detail="x"),
        failed(claimed[1], "SRC_NOT_FOUND"),
    ]
    scene.settle(batch_id, *broken, *map(stored, claimed[2:]))
    gone = names(scene, batch_id, claimed[1:2])
    permanent = names(scene, batch_id, claimed[:1]) | gone
    assert scene.batch(batch_id).run_status is RunStatus.ENDED
    wish = Selection(batch_nos=numbers(scene, batch_id))

    first = want(scene, wish)
    assert scene.batch(batch_id).run_status is RunStatus.ENDED
    assert counts(scene, first) == fetches.Counts(failed=2)
    with scene.ledger.read() as session:
        left = fetches.failures(session, first, Place("id", descending=False)).rows
    assert {document.image_no for _, document, _ in left} == permanent

    second = want(scene, wish, permanent_too=True)
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING
    assert counts(scene, second) == fetches.Counts(pending=2)
    again = scene.claim(batch_id)
    assert names(scene, batch_id, again) == permanent
    scene.settle(batch_id, *map(stored, again))
    assert scene.batch(batch_id).run_status is RunStatus.ENDED
    assert scene.counts(batch_id) == (6, 6, 0, 0)
    assert counts(scene, second) == fetches.Counts(whole=2)
    (event,) = scene.events(batch_id, "batch.retry")
    assert event.detail == {"documents": 2}


def test_a_failure_that_may_pass_is_tried_again_at_once(scene: Scene) -> None:
    batch_id = scene.listed_batch(DOCUMENTS[:1])
    for _ in range(5):
        scene.settle(batch_id, failed(scene.claim(batch_id)[0], "SRC_SERVER_ERROR", status=503))
        scene.advance(600)
    assert scene.counts(batch_id) == (1, 0, 0, 1)
    chore = want(scene, chosen(scene, "FYBX00000"))
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    assert counts(scene, chore) == fetches.Counts(whole=1)
    assert scene.counts(batch_id) == (1, 1, 0, 0)


def test_a_fetch_and_a_worker_that_records_results_wait_for_each_other(scene: Scene) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    claimed = scene.claim(batch_id)
    scene.settle(batch_id, *(failed(one, "FILE_CORRUPT", detail="x") for one in claimed[:2]))
    wish = Selection(batch_nos=numbers(scene, batch_id))
    with ThreadPoolExecutor(1) as other, scene.ledger.write() as session:
        # As recording does it: its items first, then their months' and their batch's counts.
        item = session.get_one(BatchItem, claimed[5].item_id, with_for_update=True)
        wanting = other.submit(want, scene, wish, permanent_too=True)
        wait_until_blocked(session)
        session.execute(update(Slice).values(synced=Slice.synced))
        session.execute(update(Batch).values(synced=Batch.synced))
        item.attempts = 0
    assert counts(scene, wanting.result()) == fetches.Counts(pending=6)


def test_what_is_archived_is_not_wanted(scene: Scene) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id, limit=2)))
    chore = want(scene, Selection(batch_nos=numbers(scene, batch_id)))
    assert counts(scene, chore) == fetches.Counts(pending=4)


def test_cancelled_by_a_person_nothing_more_of_it_is_claimed(scene: Scene) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    scene.do(batches.pause, batch_id)
    chore = want(scene, Selection(batch_nos=numbers(scene, batch_id)))
    with scene.ledger.write() as session:
        chores.cancel(session, session.get_one(Chore, chore), now=scene.now)
    assert due(scene) == []
    assert claim_wanted(scene, batch_id) == []


def test_a_cancelled_batch_stays_so_and_another_one_of_the_document_is_used(scene: Scene) -> None:
    kept = scene.listed_batch(DOCUMENTS[:2])
    scene.do(batches.pause, kept)
    cancelled = scene.listed_batch(DOCUMENTS[:2])
    scene.do(batches.cancel, cancelled)
    chore = want(scene, chosen(scene, "FYBX00001"))
    assert {name: item.wanted_by for name, item in scene.items(cancelled).items()} == {
        "FYBX00000": None,
        "FYBX00001": None,
    }
    assert names(scene, kept, claim_wanted(scene, kept)) == {"FYBX00001"}
    by_batch = want(scene, Selection(batch_nos=numbers(scene, cancelled)))
    assert counts(scene, by_batch).total == 0
    assert counts(scene, chore).total == 1


def test_pending_documents_of_a_batch_that_is_cancelled_meanwhile_are_told_apart(
    scene: Scene,
) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    chore = want(scene, Selection(batch_nos=numbers(scene, batch_id)))
    scene.do(batches.cancel, batch_id)
    assert counts(scene, chore) == fetches.Counts(cancelled=6)


def test_a_filter_narrows_a_batch(scene: Scene) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    wish = Selection(
        numbers(scene, batch_id), filters={"image_no": "FYBX00003", "status": "pending"}
    )
    want(scene, wish)
    wanted = {name for name, item in scene.items(batch_id).items() if item.wanted_by}
    assert wanted == {"FYBX00003"}


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(batch_nos=("MB19990101-0001",)),
    ],
)
def test_what_names_nothing_is_refused(scene: Scene, selection: Selection) -> None:
    with scene.ledger.write() as session, pytest.raises(NotAllowed):
        fetches.ask(session, selection, permanent_too=False, by=BY, now=scene.now)


def test_the_same_wish_is_one_chore_and_is_in_the_trail_once(scene: Scene) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    wish = Selection(batch_nos=numbers(scene, batch_id))
    assert want(scene, wish) == want(scene, wish)
    (begun, _again) = scene.events(batch_id, "fetch.begin")
    assert begun.detail == {"documents": 6, "again": 0}
    assert scene.items(batch_id)["FYBX00000"].status is ItemStatus.PENDING
