"""A queue that is away: nobody fails, the log says it once, and all go on when it is back."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.errors import SettingsError, SyncError
from portal.tasks.offering import offer
from portal.tasks.queue import WorkQueue
from portal.tasks.reach import Reach
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene
from tests.portal.tasks.taker import taking
from tests.servers.mortal import Mortal
from tests.servers.running import free_port

PASSWORD = "a-password-of-the-queue"
SERVERS = [
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("postgresql", marks=pytest.mark.postgresql),
]

# What is tried here is the queue; the ledger is of one kind.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def nobody(scheme: str) -> str:
    """The address of a server that is not there."""
    return f"{scheme}://imgmig:{PASSWORD}@127.0.0.1:{free_port()}/0"


@pytest.fixture(params=["redis", "rediss", "postgresql"])
def gone(request: pytest.FixtureRequest) -> Iterator[WorkQueue]:
    queue = WorkQueue(nobody(request.param))
    yield queue
    queue.close()


def test_whoever_tells_an_absent_queue_does_not_fail_and_the_log_says_it_once(
    gone: WorkQueue, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(50):
        gone.look_at_batch(number)
        gone.look_at_run(number)
        gone.look_at_audit(number)
        assert gone.waiting() is None
        assert gone.runs_told() is None
    [said] = caplog.records
    assert said.message.startswith("QUEUE_UNREACHABLE: the work queue cannot be reached: ")
    assert "PORTAL_QUEUE_URL" in said.message
    assert said.exc_info is None
    assert PASSWORD not in said.message


def test_whoever_asks_whether_it_is_well_is_told_the_code(gone: WorkQueue) -> None:
    with pytest.raises(SyncError) as caught:
        gone.probe()
    assert caught.value.code == "QUEUE_UNREACHABLE"
    assert "refused" in caught.value.params["detail"]
    assert PASSWORD not in str(caught.value)


@ON_SQLITE
def test_offering_to_an_absent_queue_offers_nothing(gone: WorkQueue, scene: Scene) -> None:
    scene.listed_batch([make_document(1)])
    assert offer(scene.ledger, gone, now=scene.now, zone=SHANGHAI) == 0


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1/0?nonsense=1", "postgresql://127.0.0.1/x?nonsense=1"]
)
def test_a_parameter_its_driver_does_not_know_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="PORTAL_QUEUE_URL"):
        WorkQueue(url)


def test_a_file_that_cannot_be_written_is_said_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_bytes(b"this is no database" * 1000)
    queue = WorkQueue(f"sqlite:///{tmp_path / 'queue.db'}")
    queue.look_at_batch(1)
    assert queue.waiting() is None
    with pytest.raises(SyncError) as caught:
        queue.probe()
    assert caught.value.code == "QUEUE_UNWRITABLE"
    queue.close()


class Stub:
    """A store whose server is as it is told to be; counts how often it is let go."""

    errors = (OSError,)

    def __init__(self) -> None:
        self.asked = 0
        self.fails = 0
        self.seconds = 0.0
        self.takes = 0.0

    def close(self) -> None:
        pass

    def cannot_be_asked(self, _error: Exception) -> bool:
        return True

    def answer(self) -> str:
        self.asked += 1
        self.seconds += self.takes
        if self.fails:
            self.fails -= 1
            raise OSError("refused")
        return "well"


def reach_of(stub: Stub) -> Reach:
    return Reach(stub, "redis://host/0", clock=lambda: stub.seconds)


def test_a_connection_that_broke_is_made_anew_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stub = Stub()
    stub.fails = 1
    assert reach_of(stub).ask(stub.answer) == "well"
    assert caplog.records == []


def test_an_absent_server_is_asked_once_a_second_and_its_return_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stub = Stub()
    reach = reach_of(stub)
    stub.fails = 1000
    for _ in range(600):
        with pytest.raises(SyncError):
            reach.ask(stub.answer)
        stub.seconds += 0.1
    assert 55 <= stub.asked <= 62
    stub.fails = 0
    stub.seconds += 1
    for _ in range(3):
        assert reach.ask(stub.answer) == "well"
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "QUEUE_UNREACHABLE",
        "the queue answers again, after 61 s",
    ]


def test_a_server_that_does_not_even_refuse_takes_little_of_anybodys_time() -> None:
    stub = Stub()
    reach = reach_of(stub)
    stub.fails, stub.takes = 1000, 3.0
    waited = 0.0
    while stub.seconds < 600:
        before = stub.seconds
        with pytest.raises(SyncError):
            reach.ask(stub.answer)
        waited += stub.seconds - before
        stub.seconds += 0.1
    assert waited < 150


@pytest.mark.faults
@pytest.mark.parametrize("scheme", ["redis", "postgresql"])
def test_a_server_that_takes_connections_and_says_nothing_is_away(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        queue = WorkQueue(f"{scheme}://imgmig@127.0.0.1:{silent.getsockname()[1]}/0")
        assert queue.waiting() is None
        with pytest.raises(SyncError) as caught:
            queue.probe()
        assert caught.value.code == "QUEUE_UNREACHABLE"
        queue.close()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mortal]:
    server = Mortal(request.param, tmp_path / "servers")
    server.start()
    yield server
    server.kill()


@pytest.mark.faults
@ON_SQLITE
def test_a_server_killed_and_come_back_empty_costs_one_sweep(
    server: Mortal, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    batch_id = scene.listed_batch([make_document(1)])
    agent = WorkQueue(server.url)
    assert offer(scene.ledger, agent, now=scene.now, zone=SHANGHAI) == 1
    server.kill()
    server.start()
    agents_step = threading.Event()
    with taking(server.url) as taker:
        while offer(scene.ledger, agent, now=scene.now, zone=SHANGHAI) == 0:
            agents_step.wait(0.2)
        taker.until(1)
        server.kill()
        assert offer(scene.ledger, agent, now=scene.now, zone=SHANGHAI) == 0
        agents_step.wait(2.5)  # the worker finds out, too
        server.start()
        while offer(scene.ledger, agent, now=scene.now, zone=SHANGHAI) == 0:
            agents_step.wait(0.2)
        assert set(taker.until(2)) == {("batch", batch_id)}
    agent.close()
    said = [record.message.split(":")[0].split(",")[0] for record in caplog.records]
    # The agent and the worker, at most once for each of the two deaths.
    assert said.count("QUEUE_UNREACHABLE") <= 4
    assert said.count("the queue answers again") == said.count("QUEUE_UNREACHABLE")
    assert all(record.exc_info is None for record in caplog.records)
