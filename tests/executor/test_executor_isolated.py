"""Handlers in a process of their own: what they may do, and that they stop whatever they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tests.executor.isolated_handlers  # noqa: F401 - registers them
from tests.executor.executor_rig import Database, Rig

pytestmark = pytest.mark.processes

COVERED = "block strategy effect：Cover Early [job running, killed]"
KILLED = "scheduling center kill job. [job running, killed]"


@pytest.fixture
def impatient(database: Database) -> Rig:
    return Rig(database, stop_grace_seconds=0.2)


def text(rig: Rig, log_id: int) -> str:
    return str(rig.log(log_id)["logContent"])


def wait_for(what: str, look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (seen := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return seen


def pids_of(rig: Rig, log_id: int) -> list[int]:
    """The processes of a stubborn run, once it has told."""
    wait_for("the handler's processes", lambda: "pids " in text(rig, log_id))
    line = next(line for line in text(rig, log_id).splitlines() if "pids " in line)
    return [int(word) for word in line.partition("pids ")[2].split()]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone before, or while it is read
        return False
    return state != "Z"


@contextmanager
def working(rig: Rig) -> Iterator[None]:
    """A worker beside the test; its run has ended when the block has."""
    worker = threading.Thread(target=rig.work)
    worker.start()
    yield
    worker.join(60)
    assert not worker.is_alive()


def test_context_of_an_isolated_handler(rig: Rig) -> None:
    rig.run(5, executorHandler="isolated echo", broadcastIndex=1, broadcastTotal=3)
    rig.work()
    assert rig.result(5) == (200, "p 1/3")
    assert "line one" in text(rig, 5)
    assert "of 7/5 in " in text(rig, 5)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("job failed", "no such file"),
        ("exception", "ValueError: <b>no</b>"),
        ("killed", "the handler's process ended by itself: SIGKILL"),
        ("exit", "SystemExit: 3"),
        ("hard exit", "the handler's process ended by itself: exit code 3"),
    ],
)
def test_failures_of_an_isolated_handler(rig: Rig, params: str, message: str) -> None:
    rig.run(1, executorHandler="isolated failure", executorParams=params)
    rig.work()
    assert rig.result(1) == (500, message)


def test_isolated_handler_may_defer(rig: Rig) -> None:
    rig.run(1, executorHandler="isolated deferral")
    rig.work()
    assert rig.row(1).status == "deferred"


def test_isolated_handler_may_say_much(rig: Rig) -> None:
    rig.run(1, executorHandler="isolated flood")
    rig.work()
    lines = [line for line in text(rig, 1).splitlines() if " line " in line]
    assert [line.rpartition(" ")[2] for line in lines] == [str(n) for n in range(3000)]
    assert rig.row(1).status == "succeeded"


def test_polite_handler_ends_by_itself_when_it_is_told(rig: Rig) -> None:
    rig.run(1, executorHandler="polite")
    with working(rig):
        wait_for("its first line", lambda: "started" in text(rig, 1))
        rig.call("kill", {"jobId": 7})
    assert "stopping" in text(rig, 1)
    assert rig.result(1) == (500, KILLED)


@pytest.mark.parametrize("how", ["kill", "timeout", "cover"])
def test_stubborn_handler_and_all_it_started_are_gone_before_the_next_run_starts(
    impatient: Rig, how: str
) -> None:
    rig = impatient
    limit = 3 if how == "timeout" else 0
    rig.run(1, executorHandler="stubborn", executorTimeout=limit)
    ends = {
        "kill": (500, KILLED),
        "timeout": (502, "job execute timeout "),
        "cover": (500, COVERED),
    }
    next_run = {"executorHandler": "stubborn", "executorParams": "pass"}
    with working(rig):
        pids = pids_of(rig, 1)
        assert len(pids) == 3
        assert all(map(is_alive, pids))
        if how == "kill":
            rig.call("kill", {"jobId": 7})
            rig.run(2, **next_run)
        elif how == "timeout":
            rig.run(2, **next_run)
            rig.advance(3)
            rig.executor.tick(rig.now)
        else:
            rig.run(2, executorBlockStrategy="COVER_EARLY", **next_run)
        assert rig.result(1) == ends[how]  # reported at once
        if rig.row(2).status == "queued":
            assert rig.row(1).occupies_job_id == 7
        wait_for("the next run", lambda: rig.row(2).status != "queued")
        assert not any(map(is_alive, pids))
    assert rig.result(2) == (200, "passed")
    assert rig.result(1) == ends[how]


def test_what_a_handler_leaves_behind_ends_with_it(rig: Rig, tmp_path: Path) -> None:
    rig.run(1, executorHandler="leaves children", executorParams=str(tmp_path / "pid"))
    rig.work()
    assert rig.result(1)[0] == 200
    assert not is_alive(int((tmp_path / "pid").read_text()))
