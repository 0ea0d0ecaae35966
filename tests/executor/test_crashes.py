"""kill -9 of each process at each step of a run's life: every trigger ends with one result."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.executor.executor_rig import TOKEN, trigger
from tests.executor.fake_admin import FakeAdmin
from tests.executor.site import Site, wait_for
from tests.executor.test_executor_isolated import is_alive

pytestmark = pytest.mark.processes

# One job for each step a run can have come to when the process dies.
ENDED, RUNNING, RESUMABLE, STUBBORN, DEFERRED, KILLED, QUEUED, LATE = range(1, 9)
WORKED, PASSED = (200, "worked"), (200, "p")
RESTARTED = (500, "executor restarted")


@pytest.fixture
def admin() -> Iterator[FakeAdmin]:
    with FakeAdmin() as admin:
        yield admin


@pytest.fixture
def site(tmp_path: Path, database_url: str, admin: FakeAdmin) -> Iterator[Site]:
    site = Site(tmp_path / "site", database_url, admins=admin.address)
    try:
        for number in range(1, 6):  # each held by the run it performs
            site.start("worker", f"worker{number}")
        site.start("web")
        yield site
    finally:
        site.end()


def run(site: Site, log_id: int, handler: str, **fields: object) -> None:
    body = trigger(log_id, jobId=log_id, executorHandler=handler, **fields)
    assert site.post("run", body)["code"] == 200


def bring_to_every_step(site: Site) -> list[int]:
    """Runs at all steps at once; returns the processes of the stubborn one."""
    run(site, ENDED, "counted")
    wait_for("the end of the first", lambda: site.status(ENDED) == "succeeded")
    run(site, DEFERRED, "waits")
    wait_for("the deferral", lambda: site.status(DEFERRED) == "deferred")
    for log_id, handler in ((RUNNING, "work"), (RESUMABLE, "resumable work"), (KILLED, "work")):
        run(site, log_id, handler)
        wait_for("its start", lambda: site.starts(log_id))  # noqa: B023 - called at once
    run(site, STUBBORN, "stubborn")
    wait_for("the processes", lambda: "pids " in site.log(STUBBORN)["logContent"])
    [line] = [one for one in site.log(STUBBORN)["logContent"].split("\n") if "pids " in one]
    body = trigger(QUEUED, jobId=RUNNING, executorHandler="work")
    assert site.post("run", body)["code"] == 200
    site.post("kill", {"jobId": KILLED})
    return [int(word) for word in line.partition("pids ")[2].split()]


@pytest.mark.parametrize("victim", ["web", "worker", "agent", "all"])
def test_every_trigger_ends_with_one_result(site: Site, admin: FakeAdmin, victim: str) -> None:
    workers = [f"worker{number}" for number in range(1, 6)]
    admin.seconds_per_callback = 3
    pids = bring_to_every_step(site)
    site.start("agent")
    wait_for("a result on its way", lambda: admin.in_flight)

    victims = {"web": ["web"], "worker": workers, "agent": ["agent"]}
    victims["all"] = ["web", "agent", *workers]
    for name in victims[victim]:
        site.kill(name)
    workers_died = victim in ("worker", "all")
    if workers_died:
        wait_for("the end of what they started", lambda: not any(map(is_alive, pids)))
    if victim == "all":
        site.make_due()  # the minutes after which the dead count as dead
    elif victim != "web":
        make_due_of_the_dead(site, victim)
    admin.seconds_per_callback = 0
    for name in victims[victim]:
        site.start(name.rstrip("12345"), name)

    run(site, LATE, "counted")
    for log_id in (RUNNING, RESUMABLE, QUEUED):
        site.finish(log_id)
    run(site, 100, "ends the deferred", executorParams=str(DEFERRED))
    if workers_died:
        # Its status says running until an agent has noticed, too.
        wait_for("the stubborn one to run again", lambda: lines(site, STUBBORN, "pids ") == 2)
    site.post("kill", {"jobId": STUBBORN})

    killed = (500, "scheduling center kill job. [job running, killed]")
    expected = {
        ENDED: PASSED,
        RUNNING: RESTARTED if workers_died else WORKED,
        RESUMABLE: WORKED,
        STUBBORN: killed,
        DEFERRED: (200, "finished from outside"),
        KILLED: killed,
        QUEUED: WORKED,
        LATE: PASSED,
        100: (200, "True"),
    }
    wait_for("all results", lambda: set(admin.results) == set(expected))
    assert {n: (one.code, one.msg) for n, one in admin.results.items()} == expected
    assert site.starts(RUNNING) == 1
    assert site.starts(RESUMABLE) == (2 if workers_died else 1)
    assert site.starts(ENDED) == site.starts(LATE) == site.starts(QUEUED) == 1


def lines(site: Site, log_id: int, word: str) -> int:
    """How many lines of a run's log have the word."""
    text: str = site.log(log_id)["logContent"]
    return sum(word in line for line in text.split("\n"))


def make_due_of_the_dead(site: Site, victim: str) -> None:
    columns = (
        "lease_expires_at = lease_expires_at - 60000"
        if victim == "worker"
        else "delivering_until = delivering_until - 200000"
    )
    site.change(f"UPDATE executor_runs SET {columns}")


def test_web_killed_in_the_middle_of_run_and_the_request_sent_again(
    site: Site, admin: FakeAdmin
) -> None:
    """Java sends a POST again when the connection closed before the answer."""
    site.start("agent")
    for log_id in range(1, 9):
        body = json.dumps(trigger(log_id, jobId=log_id, executorHandler="counted")).encode()
        head = (
            f"POST /xxl-job/run HTTP/1.1\r\nHost: x\r\nXXL-JOB-ACCESS-TOKEN: {TOKEN}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with closing(socket.create_connection(("127.0.0.1", site.port()))) as connection:
            connection.sendall(head.encode() + body)
            # The later ones die later: before, in and after the commit.
            threading.Event().wait(log_id / 400)
            site.kill("web")
        site.start("web")
        assert site.post("run", body)["code"] == 200
    wait_for("all results", lambda: set(admin.results) == set(range(1, 9)))
    assert [site.starts(log_id) for log_id in range(1, 9)] == [1] * 8
