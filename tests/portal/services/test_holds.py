"""The breaker and its holds: what is held, for how long, with how many notices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread

from sqlalchemy import select

from portal.errors import SyncError
from portal.models import AuditEvent, DataSource, Hold
from portal.secret_box import SecretBox
from portal.services import batches, gates, holds, retrying, sources
from portal.services.leases import LEASE_SECONDS
from portal.services.offers import batches_with_due_work
from portal.services.streaks import MOST_FAILURES
from portal.statuses import ItemStatus, RunStatus
from portal.sync.sources.rows import SourceDocument
from portal.sync.transfer.retry import MAX_ATTEMPTS
from portal.sync.transfer.work import Claim, Result
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene, failed, stored


def documents(count: int, org: str = "1001", first: int = 0) -> list[SourceDocument]:
    return [make_document(number, org_code=org) for number in range(first, first + count)]


def in_force(scene: Scene) -> list[Hold]:
    with scene.ledger.read() as session:
        return list(holds.in_force(session))


def notices(scene: Scene, action: str = "hold.open") -> int:
    with scene.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action == action)
        return len(session.scalars(query).all())


def due(scene: Scene) -> list[int]:
    with scene.ledger.read() as session:
        return list(batches_with_due_work(session, scene.now, SHANGHAI))


def fail_until_held(scene: Scene, batch_id: int, code: str, at_once: int = 1) -> int:
    """How many tries failed until nothing more was handed out."""
    tries = 0
    while claims := scene.claim(batch_id, limit=at_once):
        scene.settle(batch_id, *(failed(claim, code) for claim in claims))
        tries += len(claims)
        scene.advance(0.001)
    return tries


def statuses(scene: Scene, batch_id: int) -> list[ItemStatus]:
    return [item.status for item in scene.items(batch_id).values()]


def lift(scene: Scene, hold: Hold, *, person: bool = False) -> None:
    with scene.ledger.write() as session:
        holds.lift(session, hold.id, by="周敏", now=scene.now, person=person)


def test_one_cause_that_fails_everything_holds_the_batch_after_fifty(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(200))
    assert fail_until_held(scene, batch_id, "SRC_NOT_FOUND") == MOST_FAILURES
    assert scene.counts(batch_id) == (200, 0, 0, MOST_FAILURES)
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING
    (hold,) = in_force(scene)
    assert (hold.batch_id, hold.org_code, hold.code) == (batch_id, None, "SRC_NOT_FOUND")
    assert notices(scene) == 1
    assert due(scene) == []


def test_what_was_in_flight_is_all_that_comes_on_top(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(200))
    scene.claim(batch_id, owner="w2", limit=16)
    tries = fail_until_held(scene, batch_id, "SRC_NOT_FOUND", at_once=16)
    assert MOST_FAILURES <= tries < MOST_FAILURES + 16
    assert scene.claim(batch_id, owner="w2") == []


def test_one_success_in_fifty_is_no_cause_for_everything(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(200))
    for number, claim in enumerate(scene.claim(batch_id, limit=200)):
        good = number % (MOST_FAILURES - 1) == 0
        scene.settle(batch_id, stored(claim) if good else failed(claim, "SRC_NOT_FOUND"))
    assert in_force(scene) == []


def test_different_causes_are_no_cause_for_everything(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(120))
    for number, claim in enumerate(scene.claim(batch_id, limit=120)):
        code = "SRC_NOT_FOUND" if number % 2 else "FILE_DIGEST_MISMATCH"
        scene.settle(batch_id, failed(claim, code))
    assert in_force(scene) == []


def test_an_organisation_whose_files_are_gone_holds_itself_only(scene: Scene) -> None:
    both = [
        make_document(number, org_code="gone" if number % 2 else "there") for number in range(300)
    ]
    batch_id = scene.listed_batch(both)
    tried = 0
    while claims := scene.claim(batch_id, limit=8):
        tried += len(claims)
        scene.settle(batch_id, *map(fate_by_org(scene), claims))
        scene.advance(0.001)
    total, synced, _, lost = scene.counts(batch_id)
    assert (total, synced) == (300, 150)
    assert MOST_FAILURES <= lost < MOST_FAILURES + 8
    assert tried == synced + lost
    (hold,) = in_force(scene)
    assert (hold.org_code, hold.code) == ("gone", "SRC_NOT_FOUND")
    assert (notices(scene), due(scene)) == (1, [])


def fate_by_org(scene: Scene) -> Callable[[Claim], Result]:
    def fate(claim: Claim) -> Result:
        image_no = claim.folder.rsplit("/", 1)[1].split("@")[0].split("~")[0]
        gone = scene.document(image_no).org_code == "gone"
        return failed(claim, "SRC_NOT_FOUND") if gone else stored(claim)

    return fate


def test_what_an_organisation_had_under_way_holds_nothing_besides_it(scene: Scene) -> None:
    mixed = [make_document(0, org_code="there"), *documents(120, org="gone", first=1)]
    batch_id = scene.listed_batch(mixed)
    there, *gone = scene.claim(batch_id, limit=121)
    failures = [failed(claim, "SRC_NOT_FOUND") for claim in gone]
    scene.settle(batch_id, *failures[:10], stored(there), *failures[10:50])
    scene.settle(batch_id, *failures[50:80])
    assert [hold.org_code for hold in in_force(scene)] == ["gone"]
    assert notices(scene) == 1


def test_it_goes_on_by_itself_when_a_probe_succeeds(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(80))
    fail_until_held(scene, batch_id, "SRC_NOT_FOUND")
    scene.advance(5)
    assert due(scene) == [batch_id]
    (probe,) = scene.claim(batch_id, limit=16)
    assert probe.probe_of == in_force(scene)[0].id
    assert scene.claim(batch_id, owner="w2") == []  # one probe at a time
    scene.settle(batch_id, stored(probe))
    assert in_force(scene) == []
    assert len(scene.claim(batch_id, limit=100)) == 80 - MOST_FAILURES - 1
    assert notices(scene, "hold.lift") == 1


def test_a_probe_that_fails_marks_no_document_and_comes_later(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(80))
    fail_until_held(scene, batch_id, "SRC_NOT_FOUND")
    probed: list[int] = []
    for _ in range(12):
        scene.advance(31)
        (probe,) = scene.claim(batch_id)
        probed.append(probe.item_id)
        scene.settle(batch_id, failed(probe, "SRC_NOT_FOUND"))
    assert scene.counts(batch_id)[3] == MOST_FAILURES
    assert len(set(probed)) == len(probed)
    assert notices(scene) == 1
    assert in_force(scene)[0].probe_at == scene.now + timedelta(seconds=30)


def test_a_probe_that_dies_with_its_worker_is_made_again(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(80))
    fail_until_held(scene, batch_id, "SRC_NOT_FOUND")
    scene.advance(5)
    assert len(scene.claim(batch_id)) == 1
    scene.advance(LEASE_SECONDS)
    assert len(scene.claim(batch_id, owner="w2")) == 1


def test_however_long_the_cause_lasts_there_is_something_to_probe_with(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(MOST_FAILURES + 2))
    fail_until_held(scene, batch_id, "SRC_NOT_FOUND")
    for _ in range(5 * MAX_ATTEMPTS):
        scene.advance(31)
        (probe,) = scene.claim(batch_id)
        scene.settle(batch_id, failed(probe, "SRC_NOT_FOUND"))
    waiting = [item for item in scene.items(batch_id).values() if item.status == "pending"]
    assert [item.attempts for item in waiting] == [0, 0]


def test_a_probe_that_takes_long_is_not_ended_by_the_hold_it_probes(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(80))
    fail_until_held(scene, batch_id, "SRC_NOT_FOUND")
    scene.advance(5)
    worker, other = scene.desk(batch_id), scene.desk(batch_id)
    assert len(worker.claim(16)) == 1
    assert worker.claim(16) == []
    assert not worker.control().stop
    assert other.control().stop


def test_transient_failures_hold_before_any_document_is_given_up(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(60))
    assert fail_until_held(scene, batch_id, "SRC_SERVER_ERROR") == MOST_FAILURES
    assert set(statuses(scene, batch_id)) == {ItemStatus.PENDING}


def test_a_person_has_it_go_on_all_the_same(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(80))
    fail_until_held(scene, batch_id, "SRC_NOT_FOUND")
    lift(scene, in_force(scene)[0], person=True)
    assert fail_until_held(scene, batch_id, "SRC_NOT_FOUND") == 80 - MOST_FAILURES
    assert scene.batch(batch_id).run_status is RunStatus.ENDED
    assert in_force(scene) == []


def test_a_new_run_is_held_anew(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(80))
    fail_until_held(scene, batch_id, "FILE_CORRUPT")
    lift(scene, in_force(scene)[0], person=True)
    fail_until_held(scene, batch_id, "FILE_CORRUPT")
    scene.do(retrying.retry, batch_id)
    assert fail_until_held(scene, batch_id, "FILE_CORRUPT") == MOST_FAILURES
    assert len(in_force(scene)) == 1


def test_a_cancelled_batch_holds_nothing(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(80))
    fail_until_held(scene, batch_id, "SRC_NOT_FOUND")
    scene.do(batches.cancel, batch_id)
    assert in_force(scene) == []


# A source, and the archive.


def test_a_source_that_is_down_holds_all_its_batches_and_no_other(scene: Scene) -> None:
    noise = scene.add_noise(documents(3))
    first, second = (
        scene.listed_batch(documents(3)),
        scene.listed_batch(documents(3, first=10)),
    )
    held = scene.desk(first).claim(3)
    scene.desk(first).hold(SyncError("SRC_CONNECTION", detail="refused"))
    scene.desk(second).hold(SyncError("SRC_CONNECTION", detail="refused"))
    scene.desk(first).release(held)
    assert due(scene) == [noise]
    assert scene.desk(first).control().stop
    assert scene.desk(second).claim(3) == []
    assert not scene.desk(noise).control().stop
    assert notices(scene) == 1
    (hold,) = in_force(scene)
    assert hold.data_source_id == scene.source_id
    scene.advance(5)
    assert due(scene) == [noise, first, second]
    lift(scene, hold)
    assert len(scene.desk(second).claim(3)) == 3
    assert [item.attempts for item in scene.items(first).values()] == [0, 0, 0]


def test_two_workers_that_see_a_cause_at_once_open_one_hold(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(3))
    cause = SyncError("SRC_CREDENTIALS", detail="1200")

    def see() -> None:
        with scene.ledger.write() as session:
            source = session.get_one(DataSource, scene.source_id)
            holds.open_hold(session, cause, source=source, by="w2", now=scene.now)

    other = Thread(target=see)
    with scene.ledger.write() as session:
        source = session.get_one(DataSource, scene.source_id)
        holds.open_hold(session, cause, source=source, by="w1", now=scene.now)
        other.start()
    other.join()
    assert len(in_force(scene)) == notices(scene) == 1
    assert scene.desk(batch_id).control().stop


def test_a_source_whose_settings_were_changed_is_probed_at_once(scene: Scene) -> None:
    other = scene.add_noise(documents(3))
    batch_id = scene.listed_batch(documents(3))
    for one in (batch_id, other):
        scene.desk(one).hold(SyncError("SRC_CREDENTIALS", detail="1200"))
    assert due(scene) == []
    form = sources.SourceForm("影像系统", "http://127.0.0.1:9", "c", "right")
    with scene.ledger.write() as session:
        sources.save(session, form, box=SecretBox("k"), by="周敏", now=scene.now)
    assert due(scene) == [batch_id]


def test_a_full_archive_holds_everything(scene: Scene) -> None:
    noise = scene.add_noise(documents(3))
    batch_id = scene.listed_batch(documents(3))
    scene.desk(batch_id).hold(SyncError("ARCHIVE_FULL"))
    assert due(scene) == []
    assert scene.desk(noise).control().stop
    lift(scene, in_force(scene)[0])
    assert due(scene) == [noise, batch_id]


def test_what_comes_back_at_once_is_the_same_hold(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(3))
    for _ in range(6):
        scene.desk(batch_id).hold(SyncError("ARCHIVE_FULL"))
        (hold,) = in_force(scene)
        scene.advance((hold.probe_at - scene.now).total_seconds())
        with scene.ledger.write() as session:
            assert holds.take_probe(session, session.get_one(Hold, hold.id), now=scene.now)
            holds.try_without(session, hold.id, now=scene.now)
    assert notices(scene) == 1
    scene.advance(600)
    scene.desk(batch_id).hold(SyncError("ARCHIVE_FULL"))
    assert notices(scene) == 2


# Time windows.


def test_out_of_hours_nothing_of_the_source_is_worked(scene: Scene) -> None:
    batch_id = scene.listed_batch(documents(3))
    with scene.ledger.write() as session:  # the scene begins on a Sunday at 16:00
        session.get_one(DataSource, scene.source_id).windows = ["7 20:00-24:00"]
    assert due(scene) == []
    assert scene.desk(batch_id).control().stop
    scene.advance(4 * 3600)
    assert due(scene) == [batch_id]
    assert not scene.desk(batch_id).control().stop
    scene.advance(4 * 3600)
    assert due(scene) == []
    with scene.ledger.read() as session:
        source = session.get_one(DataSource, scene.source_id)
        opens = gates.windows_of(source, SHANGHAI).opens_at(scene.now)
        assert opens == scene.now + timedelta(days=6, hours=20)
