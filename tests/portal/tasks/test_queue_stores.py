"""What every store of the queue must do, with real servers."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from portal.app import create_app
from portal.errors import SyncError
from portal.models import utc_now
from portal.runtime import Portal
from portal.services import audit_checks, leases
from portal.settings import read_settings
from portal.tasks.audit_keeping import AuditKeeping
from portal.tasks.offering import offer
from portal.tasks.queue import WorkQueue
from tests.certificates import Authority
from tests.portal.fake_source import make_document
from tests.portal.jobs.job_rig import TOKEN, JobRig
from tests.portal.ledger_scene import SHANGHAI, Scene, opened_ledger
from tests.portal.tasks.queue_places import STORES, Place, place_of
from tests.portal.tasks.taker import taking
from tests.portal.trail_scene import KEY
from tests.servers.running import answers, free_port, running


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place_of(request.param, tmp_path) as place:
        yield place


@pytest.fixture
def queue(place: Place) -> Iterator[WorkQueue]:
    queue = WorkQueue(place.url)
    yield queue
    queue.close()


@pytest.fixture
def migrated_sqlite(empty_sqlite: Path, tmp_path: Path) -> str:
    shutil.copy(empty_sqlite, tmp_path / "ledger.db")
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def scene(migrated_sqlite: str) -> Iterator[Scene]:
    """Its ledger in SQLite: what is tried here is the queue."""
    with opened_ledger(migrated_sqlite) as ledger:
        yield Scene(ledger)


@pytest.fixture
def rig(migrated_sqlite: str, place: Place, tmp_path: Path) -> Iterator[JobRig]:
    """The real application, its queue in the place."""
    settings = {
        "IMGMIG_HOME": str(tmp_path / "home"),
        "PORTAL_DATABASE_URL": migrated_sqlite,
        "PORTAL_QUEUE_URL": place.url,
        "XXL_JOB_ACCESS_TOKEN": TOKEN,
    }
    rig = JobRig(create_app(read_settings(settings)))
    yield rig
    rig.portal.queue.close()
    rig.portal.ledger.close()


def test_job_runs_come_before_batches_and_those_in_their_order(
    place: Place, queue: WorkQueue
) -> None:
    queue.look_at_batch(3)
    queue.look_at_audit(1)
    queue.look_at_batch(2)
    queue.look_at_run(9)
    queue.look_at_run(8)
    assert queue.waiting() == 5
    with taking(place.url) as taker:
        assert taker.until(5) == [("run", 9), ("run", 8), ("batch", 3), ("audit", 1), ("batch", 2)]
    assert queue.waiting() == 0


def test_a_worker_that_waits_is_told_at_once_and_twice_when_twice_is_said(
    place: Place, queue: WorkQueue
) -> None:
    with taking(place.url) as taker:
        for _ in range(3):
            queue.look_at_run(1)
            queue.look_at_batch(2)
        taken = taker.until(6)
    assert Counter(taken) == {("run", 1): 3, ("batch", 2): 3}


def test_two_workers_share_the_messages(place: Place, queue: WorkQueue) -> None:
    for number in range(40):
        queue.look_at_batch(number)
    with taking(place.url) as one, taking(place.url) as other:
        while len(one.taken) + len(other.taken) < 40:
            (one if len(one.taken) < 20 else other).until(0)
            threading.Event().wait(0.01)
    assert sorted(number for _, number in one.taken + other.taken) == list(range(40))


def test_nothing_is_kept_of_what_was_done(place: Place, queue: WorkQueue) -> None:
    with taking(place.url) as taker:
        queue.look_at_run(1)
        queue.look_at_batch(1)
        queue.probe()
        taker.until(2)
    assert place.kept() == 0


def test_what_nobody_took_is_known_by_its_number(queue: WorkQueue) -> None:
    queue.look_at_run(4)
    queue.look_at_run(4)
    queue.look_at_audit(5)
    queue.look_at_batch(6)
    assert queue.runs_told() == {4}
    assert queue.audits_told() == {5}


@pytest.mark.parametrize(
    "strange", [b"\x80\x04\x95pickled", b"[]", b'["look_at_nothing", 1]', b'["look_at_run", "1"]']
)
def test_a_message_nobody_knows_is_dropped_and_the_next_is_taken(
    place: Place, queue: WorkQueue, strange: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert queue.waiting() == 0  # it is ready to be written to
    place.put(strange)
    assert queue.runs_told() == set()
    with taking(place.url) as taker:
        queue.look_at_batch(7)
        assert taker.until(1) == [("batch", 7)]
    assert [record.message.split(":")[0] for record in caplog.records] == ["a message was dropped"]
    assert place.kept() == 0


def test_a_store_that_lost_everything_while_it_was_open_is_as_good_as_new(
    place: Place, queue: WorkQueue, caplog: pytest.LogCaptureFixture
) -> None:
    with taking(place.url) as taker:
        queue.look_at_batch(1)
        taker.until(1)
        place.lose()
        queue.look_at_batch(2)
        queue.look_at_run(3)
        assert set(taker.until(3)) == {("batch", 1), ("batch", 2), ("run", 3)}
    queue.look_at_run(4)
    place.lose()
    assert queue.waiting() == 0
    assert queue.runs_told() == set()
    assert "Traceback" not in caplog.text


def test_a_batch_whose_message_was_lost_is_told_of_in_the_agents_next_second(
    place: Place, queue: WorkQueue, scene: Scene
) -> None:
    batch_id = scene.listed_batch([make_document(1)])
    assert offer(scene.ledger, queue, now=scene.now, zone=SHANGHAI) == 1
    assert offer(scene.ledger, queue, now=scene.now, zone=SHANGHAI) == 0  # it is still there
    place.lose()
    assert offer(scene.ledger, queue, now=scene.now, zone=SHANGHAI) == 1
    with taking(place.url) as taker:
        assert taker.until(1) == [("batch", batch_id)]


def test_a_run_whose_message_was_lost_is_told_of_after_fifteen_seconds(
    place: Place, rig: JobRig
) -> None:
    rig.trigger(1)
    [run_id] = rig.portal.queue.runs_told() or set()
    began = utc_now()
    place.lose()
    for seconds in (1, 14):
        rig.portal.executor.tick(began + timedelta(seconds=seconds))
        assert rig.portal.queue.runs_told() == set()
    rig.portal.executor.tick(began + timedelta(seconds=15))
    assert rig.portal.queue.runs_told() == {run_id}


def test_a_run_that_waits_for_hours_has_one_message_and_gets_it_back_as_fast(
    place: Place, rig: JobRig
) -> None:
    """However long nobody had time for it: neither a heap of messages, nor a longer wait."""
    rig.trigger(1)
    began = utc_now()
    for minutes in range(0, 180, 3):
        rig.portal.executor.tick(began + timedelta(minutes=minutes))
    assert rig.portal.queue.waiting() == 1
    place.lose()
    rig.portal.executor.tick(began + timedelta(minutes=180))
    assert rig.portal.queue.waiting() == 1
    place.lose()
    rig.portal.executor.tick(began + timedelta(minutes=180, seconds=15))
    assert rig.portal.queue.waiting() == 1


def test_a_verification_whose_message_was_lost_is_told_of_in_the_agents_next_second(
    place: Place, queue: WorkQueue, scene: Scene, tmp_path: Path
) -> None:
    with scene.ledger.write() as session:
        check_id = audit_checks.ask(session, by="x", now=utc_now()).id
    keeping = AuditKeeping(scene.ledger, queue, KEY, home=tmp_path)
    queue.look_at_batch(1)  # others wait, too
    for _ in range(3):
        keeping.step(utc_now())
    assert queue.audits_told() == {check_id}
    assert queue.waiting() == 2
    place.lose()
    queue.look_at_batch(1)
    keeping.step(utc_now())
    assert queue.audits_told() == {check_id}


def test_many_agents_that_offer_the_same_batch_do_not_fill_the_queue(
    place: Place, scene: Scene
) -> None:
    """Each may be one message per idle worker late with what the others have just said."""
    agents, rounds, idle = 6, 15, 3
    scene.listed_batch([make_document(1)])
    for number in range(idle):
        with scene.ledger.write() as session:
            leases.beat(session, f"w{number}", pid=1, batch_id=None, now=scene.now)
    start = threading.Barrier(agents)

    def be_an_agent() -> None:
        own = WorkQueue(place.url)
        start.wait()
        for _ in range(rounds):
            offer(scene.ledger, own, now=scene.now, zone=SHANGHAI)
        own.close()

    threads = [threading.Thread(target=be_an_agent) for _ in range(agents)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert idle <= place.kept() <= agents * idle


def test_a_queue_of_the_place_can_be_written(queue: WorkQueue) -> None:
    queue.probe()


def test_a_job_is_accepted_once_and_told_of_however_often_the_admin_calls(rig: JobRig) -> None:
    for _ in range(3):
        rig.trigger(1)
    portal: Portal = rig.portal
    assert len(portal.queue.runs_told() or ()) == 1
    rig.perform()
    assert rig.result(1)[0] == 200


@pytest.mark.redis
def test_an_encrypted_redis_is_trusted_by_its_authority_only(tmp_path: Path) -> None:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("this machine has no Redis")
    authority, port = Authority(tmp_path), free_port()
    authority.server("127.0.0.1")
    [certificate] = tmp_path.glob("server-*.pem")
    command = [server, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--tls-cert-file", str(certificate), "--tls-key-file", str(certificate)]
    command += ["--tls-ca-cert-file", str(authority.file), "--tls-auth-clients", "no"]
    with running(command, log=tmp_path / "redis.log", ready=lambda: answers(port)):
        trusting = WorkQueue(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.file}")
        trusting.look_at_batch(1)
        assert trusting.waiting() == 1
        trusting.close()
        strange = WorkQueue(f"rediss://127.0.0.1:{port}/0")
        assert strange.waiting() is None
        with pytest.raises(SyncError) as caught:
            strange.probe()
        assert caught.value.code == "QUEUE_UNREACHABLE"
        assert "certificate verify failed" in caught.value.params["detail"]
        strange.close()
