"""Archived documents arrive at the target: each once, with exactly its files, or with a reason."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from portal.models import AuditEvent, Batch, Document, Push, PushedFile
from portal.services import push_claims, push_targets, pushes
from portal.statuses import PushStatus
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY
from tests.portal.services.archive_scene import flip_a_bit, path_of, published_all
from tests.portal.tasks.pushing.push_scene import PushScene


def test_every_archived_document_arrives_with_exactly_its_files(pushing: PushScene) -> None:
    pushing.archived(7)
    pushing.work()
    assert pushing.statuses() == {"confirmed": 7}
    assert pushing.at_double() == pushing.in_archive()
    statistics = pushing.double.statistics()
    assert (statistics["collected"], statistics["collectedAgain"]) == (14, 0)
    assert statistics["refused"] == {}


def test_every_change_of_status_has_its_event(pushing: PushScene) -> None:
    pushing.archived(1)
    pushing.work()
    query = select(AuditEvent.old, AuditEvent.new).where(AuditEvent.action == "push.status")
    with pushing.ledger.read() as session:
        events = [tuple(row) for row in session.execute(query.order_by(AuditEvent.id))]
    assert events == [("waiting", "pushed"), ("pushed", "confirmed")]


def test_a_batch_without_a_target_is_left_alone(pushing: PushScene) -> None:
    pushing.archived(2, push=False)
    pushing.work()
    assert pushing.pushes() == {}
    assert pushing.double.statistics()["calls"] == {}


def test_documents_archived_later_are_found_too(pushing: PushScene) -> None:
    batch_id = pushing.archived(2)
    pusher = pushing.pusher()
    pushing.work(pusher)
    documents = [make_document(number) for number in range(5)]
    other_id = pushing.scene.listed_batch(documents)
    with pushing.ledger.write() as session:
        session.get_one(Batch, other_id).push_target_id = pushing.target_id
    pushing.work(pusher)
    claims = pushing.scene.claim(other_id)
    pushing.scene.settle(other_id, *published_all(pushing.archive, *claims))
    pushing.work(pusher)
    assert pushing.statuses() == {"confirmed": 5}
    assert {push.batch_id for push in pushing.pushes().values()} == {batch_id, other_id}
    assert pushing.double.statistics()["collected"] == 7


def test_what_another_source_has_under_the_same_number_is_not_overwritten(
    pushing: PushScene,
) -> None:
    pushing.archived(1)
    pusher = pushing.pusher()
    pushing.work(pusher)
    before = pushing.at_double()
    pushing.scene.source_id = pushing.scene.add_source("又一个")
    pushing.archived(1)
    pushing.work(pusher)
    assert pushing.at_double() == before
    with pushing.ledger.read() as session:
        rows = session.execute(select(Push.status, Push.error_code).order_by(Push.id)).all()
    assert [tuple(row) for row in rows] == [("confirmed", None), ("failed", "TGT_TAKEN")]


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_nothing_is_sent_of_a_document_whose_archived_file_differs(
    pushing: PushScene, damage: str
) -> None:
    pushing.archived(2)
    path = path_of(pushing.scene, pushing.archive.root, "FYBX00001")
    if damage == "flipped":
        flip_a_bit(path)
    else:
        path.unlink()
    pushing.work()
    push = pushing.pushes()["FYBX00001"]
    assert push.status is PushStatus.FAILED
    assert push.error_code == ("ARCHIVE_DAMAGED" if damage == "flipped" else "ARCHIVE_MISSING")
    assert "EAS/FYBX00001" not in pushing.double.bills()
    assert pushing.pushes()["FYBX00000"].status is PushStatus.CONFIRMED


def test_a_target_that_is_down_holds_its_documents_and_fails_none(pushing: PushScene) -> None:
    pushing.archived(6)
    pushing.double.misbehave(down=True)
    pusher = pushing.pusher()
    pushing.work(pusher, seconds=120)
    assert pushing.statuses() == {"waiting": 6}
    target = pushing.target()
    assert (target.hold_code, target.probes > 1) == ("TGT_THROTTLED", True)
    calls = pushing.double.statistics()["calls"]
    assert sum(calls.values()) < 20
    pushing.double.misbehave()
    pushing.work(pusher, seconds=400)
    assert pushing.statuses() == {"confirmed": 6}
    assert pushing.target().hold_code is None
    assert pushing.at_double() == pushing.in_archive()


def test_a_wrong_secret_holds_the_target_until_it_is_set_right(pushing: PushScene) -> None:
    pushing.archived(2)
    pushing.change_target(app_secret="another one")
    pusher = pushing.pusher()
    pushing.work(pusher, seconds=20)
    assert pushing.target().hold_code == "TGT_LOGIN"
    assert pushing.statuses() == {"waiting": 2}
    pushing.change_target()
    pushing.work(pusher, seconds=20)
    assert pushing.statuses() == {"confirmed": 2}


def test_errors_and_expired_tokens_on_the_way_lose_nothing(pushing: PushScene) -> None:
    pushing.change_target(concurrency_cap=1)  # who meets which error is then no chance
    pushing.archived(8)
    pushing.double.misbehave(error_every=7, lost_every=11, expire_after=9)
    pushing.work(seconds=600)
    assert pushing.statuses() == {"confirmed": 8}
    assert pushing.at_double() == pushing.in_archive()


def test_one_document_that_the_target_refuses_does_not_hold_the_others(
    pushing: PushScene,
) -> None:
    pushing.archived(3)
    with pushing.ledger.write() as session:
        session.execute(
            update(Document)
            .where(Document.image_no == "FYBX00001")
            .values(bill_type_code="UNKNOWN")
        )
    pushing.double.misbehave(refuse_types=["UNKNOWN"])
    pushing.work()
    assert pushing.statuses() == {"confirmed": 2, "failed": 1}
    push = pushing.pushes()["FYBX00001"]
    assert push.error_code == "TGT_REFUSED"
    assert "UNKNOWN" in str(push.error_params)
    assert pushing.target().hold_code is None


def test_a_document_without_a_bill_id_says_so_and_is_sent_with_another_field(
    pushing: PushScene,
) -> None:
    pushing.change_target(bill_id_field="erp.id")
    pushing.archived(1)
    pusher = pushing.pusher()
    pushing.work(pusher)
    assert pushing.pushes()["FYBX00000"].error_code == "TGT_NO_BILL_ID"
    with pushing.ledger.write() as session:
        session.execute(update(Document).values(source_metadata={"erp": {"id": 4711}}))
        ids = [push.id for push in pushing.pushes().values()]
        now = pushing.scene.now
        assert pushes.push_again(session, ids, by=BY, now=now, reason="retry") == 1
    pushing.work(pusher)
    assert pushing.double.bills()["EAS/FYBX00000"]["fbillId"] == "4711"


def test_a_document_without_a_resource_gets_the_default_one(pushing: PushScene) -> None:
    pushing.archived(1, resource="")
    pushing.work()
    assert pushing.statuses() == {"confirmed": 1}
    assert list(pushing.double.bills()) == ["imgmig/FYBX00000"]


def test_a_restart_does_not_send_again_what_the_target_has_taken(pushing: PushScene) -> None:
    pushing.archived(1)
    pushing.double.misbehave(error_every=4)  # token calls apart: announce, two files, submit
    first = pushing.pusher("host.pusher0")
    pushing.work(first)
    assert pushing.statuses() == {"waiting": 1}
    with pushing.ledger.read() as session:
        assert len(session.scalars(select(PushedFile)).all()) == 2
    pushing.double.misbehave()
    pushing.work(pushing.pusher("host.pusher1"), seconds=30)
    assert pushing.statuses() == {"confirmed": 1}
    assert pushing.double.statistics()["collected"] == 2


def test_files_that_the_target_has_forgotten_are_handed_over_anew(pushing: PushScene) -> None:
    pushing.archived(1)
    pushing.double.misbehave(error_every=4)
    pusher = pushing.pusher()
    pushing.work(pusher)
    with pushing.ledger.write() as session:
        session.execute(update(PushedFile).values(file_no="gone"))
    pushing.double.misbehave()
    pushing.work(pusher, seconds=30)
    assert pushing.statuses() == {"confirmed": 1}
    assert pushing.at_double() == pushing.in_archive()


def test_a_dead_pushers_documents_are_taken_over_when_its_lease_ends(pushing: PushScene) -> None:
    pushing.archived(2)
    dead = pushing.pusher("gone.pusher0")
    pushing.work(dead, seconds=0)
    now = pushing.scene.now
    with pushing.ledger.write() as session:
        ids = [push.id for push in pushing.pushes().values()]
        pushes.push_again(session, ids, by=BY, now=now, reason="retry")
        held = push_claims.claim(session, pushing.target_id, owner="gone.pusher0", limit=9, now=now)
    other = pushing.pusher("host.pusher0")
    pushing.work(other, seconds=push_claims.LEASE_SECONDS - 5)
    assert {push.lease_owner for push in pushing.pushes().values()} == {"gone.pusher0"}
    pushing.work(other, seconds=10)
    assert pushing.statuses() == {"confirmed": 2}
    with pushing.ledger.write() as session, pytest.raises(push_claims.PushLost):
        pushes.mark_pushed(session, held[0], now=pushing.scene.now)


def test_a_newer_version_is_pushed_and_replaces_what_is_there(pushing: PushScene) -> None:
    pushing.archived(2)
    pusher = pushing.pusher()
    pushing.work(pusher)
    before = pushing.at_double()
    pushing.replace("FYBX00001")
    pushing.work(pusher)
    assert pushing.statuses() == {"confirmed": 2}
    assert pushing.at_double() == pushing.in_archive()
    assert pushing.at_double()["FYBX00000"] == before["FYBX00000"]
    assert pushing.at_double()["FYBX00001"] != before["FYBX00001"]


def test_a_status_that_does_not_count_is_asked_for_again_later(pushing: PushScene) -> None:
    pushing.change_target(confirmed_statuses=("9",))
    pushing.archived(1)
    pusher = pushing.pusher()
    pushing.work(pusher, seconds=100)
    push = pushing.pushes()["FYBX00000"]
    assert (push.status, push.image_status) == (PushStatus.PUSHED, "2")
    assert 2 <= pushing.double.statistics()["calls"]["operate"] <= 5
    pushing.change_target(confirmed_statuses=("2", "9"))
    pushing.work(pusher, seconds=200)
    assert pushing.statuses() == {"confirmed": 1}


def test_what_was_submitted_and_is_not_there_is_told(pushing: PushScene) -> None:
    pushing.archived(1)
    pushing.double.misbehave(forget_every=1)
    pushing.work(seconds=200)
    push = pushing.pushes()["FYBX00000"]
    assert (push.status, push.error_code) == (PushStatus.FAILED, "TGT_NOT_FOUND")


def test_a_file_above_the_limit_fails_its_document_only(pushing: PushScene) -> None:
    pushing.change_target(max_file_bytes=1)
    pushing.archived(2)
    pushing.work()
    assert {push.error_code for push in pushing.pushes().values()} == {"TGT_FILE_TOO_LARGE"}
    assert pushing.target().hold_code is None


def test_a_disabled_target_is_not_pushed_to(pushing: PushScene) -> None:
    pushing.archived(1)
    with pushing.ledger.write() as session:
        target = push_targets.get(session, pushing.target_id, lock=True)
        push_targets.set_enabled(session, target, enabled=False, by=BY, now=pushing.scene.now)
    pushing.work()
    assert pushing.double.statistics()["calls"] == {}


def test_no_more_documents_are_in_flight_than_allowed(pushing: PushScene) -> None:
    pushing.change_target(concurrency_cap=2)
    pushing.archived(8)
    pushing.double.misbehave(latency=0.01)
    pushing.work()
    assert pushing.statuses() == {"confirmed": 8}
    assert pushing.double.statistics()["mostInFlight"] == 2


def test_two_pushers_share_the_work_and_push_nothing_twice(pushing: PushScene) -> None:
    pushing.archived(12)
    one, two = pushing.pusher("a.pusher0"), pushing.pusher("b.pusher0")
    one.step()
    while pushing.statuses() != {"confirmed": 12}:
        pushing.work(two, seconds=0)
        pushing.work(one, seconds=1)
    assert pushing.double.statistics()["collected"] == 24
    assert pushing.at_double() == pushing.in_archive()
