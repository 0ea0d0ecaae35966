"""An organisation that is held: in batches that overlap or wait, and what 文件下载 wants of it."""

from __future__ import annotations

from portal.models import Chore
from portal.services import batches, chores, claims, fetches, holds
from portal.services.leases import DEFERRED
from portal.services.offers import batches_with_due_work
from portal.services.selection import Selection
from portal.statuses import RunStatus
from portal.sync.transfer.work import Claim
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY, SHANGHAI, Scene, failed, stored

GONE = "gone"
THERE = "FYBX00001"
DOCUMENTS = [
    *(make_document(number, org_code="there") for number in range(2)),
    *(make_document(number, org_code=GONE) for number in range(2, 62)),
]


def held_batch(scene: Scene) -> int:
    """A batch of which an organisation is held, with ten documents deferred; one other is due."""
    batch_id = scene.listed_batch(DOCUMENTS)
    there, other, *gone = scene.claim(batch_id, limit=62)
    lost = [failed(claim, "SRC_NOT_FOUND") for claim in gone[:50]]
    scene.settle(batch_id, *lost[:10], stored(there), *lost[10:])
    give_back(scene, gone[50:])
    assert scene.claim(batch_id) == []
    give_back(scene, [other])
    assert (held_orgs(scene), deferred(scene, batch_id)) == ([GONE], 10)
    return batch_id


def give_back(scene: Scene, claimed: list[Claim]) -> None:
    with scene.ledger.write() as session:
        claims.release(session, claimed, owner="w1", now=scene.now)


def deferred(scene: Scene, batch_id: int) -> int:
    return sum(item.next_try_at >= DEFERRED for item in scene.items(batch_id).values())


def want(scene: Scene, *image_nos: str) -> int:
    wish = Selection(document_ids=tuple(scene.document(one).id for one in image_nos))
    with scene.ledger.write() as session:
        chore = fetches.ask(session, wish, permanent_too=False, by=BY, now=scene.now).id
        for batch_id in fetches.batches_of(session, wish):
            fetches.want(
                session,
                batch_id,
                wish,
                chore_id=chore,
                permanent_too=False,
                zone=SHANGHAI,
                by=BY,
                now=scene.now,
            )
    return chore


def claim_wanted(scene: Scene, batch_id: int) -> list[Claim]:
    with scene.ledger.write() as session:
        return claims.claim(
            session, batch_id, owner="w1", limit=100, now=scene.now, wanted_only=True
        )


def due(scene: Scene) -> list[int]:
    with scene.ledger.read() as session:
        return list(batches_with_due_work(session, scene.now, SHANGHAI))


def held_orgs(scene: Scene) -> list[str | None]:
    with scene.ledger.read() as session:
        return [hold.org_code for hold in holds.in_force(session)]


def test_what_another_batch_archived_meanwhile_is_not_deferred_for_ever(scene: Scene) -> None:
    batch_id = held_batch(scene)
    other = scene.listed_batch(DOCUMENTS)
    scene.settle(other, *map(stored, scene.claim(other, limit=100)))
    scene.advance(31)
    assert due(scene) == [batch_id]
    scene.claim(batch_id)
    assert scene.batch(batch_id).run_status is RunStatus.ENDED
    assert scene.counts(batch_id) == (62, 1, 11, 50)


def test_fetching_of_another_organisation_leaves_what_is_held_deferred(scene: Scene) -> None:
    batch_id = held_batch(scene)
    scene.do(batches.pause, batch_id)
    want(scene, THERE)
    scene.advance(31)
    (wanted,) = claim_wanted(scene, batch_id)
    scene.settle(batch_id, stored(wanted))
    assert (held_orgs(scene), deferred(scene, batch_id)) == ([GONE], 10)


def test_a_waiting_batch_is_probed_for_a_held_document_that_is_wanted(scene: Scene) -> None:
    batch_id = held_batch(scene)
    scene.do(batches.pause, batch_id)
    scene.advance(31)
    assert due(scene) == []
    chore = want(scene, "FYBX00055", "FYBX00056")
    assert due(scene) == [batch_id]
    (probe,) = claim_wanted(scene, batch_id)
    assert due(scene) == []
    scene.settle(batch_id, stored(probe))
    assert held_orgs(scene) == []
    scene.settle(batch_id, *map(stored, claim_wanted(scene, batch_id)))
    with scene.ledger.read() as session:
        assert fetches.counts(session, chore) == fetches.Counts(whole=2)


def test_of_a_deleted_batch_nothing_is_fetched_any_more(scene: Scene) -> None:
    batch_id = scene.listed_batch(DOCUMENTS)
    scene.do(batches.pause, batch_id)
    chore = want(scene, "FYBX00001")
    assert due(scene) == [batch_id]
    scene.do(batches.delete, batch_id)
    assert due(scene) == []
    assert claim_wanted(scene, batch_id) == []
    with scene.ledger.write() as session:
        assert fetches.counts(session, chore) == fetches.Counts(cancelled=1)
        chores.cancel(session, session.get_one(Chore, chore), now=scene.now)
