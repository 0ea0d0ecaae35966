"""Kill, timeout, and what happens when a process dies in the middle of a run."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.orm import Session

from executor import JobContext, RunInfo, claims
from executor.claims import claim
from executor.grace import GraceWatch
from executor.ledger import Ledger
from executor.models import ExecutorRun
from tests.executor.executor_rig import Database, Gate, Rig

KILLED_RUNNING = "scheduling center kill job. [job running, killed]"
KILLED_QUEUED = "scheduling center kill job. [job not executed, in the job queue, killed.]"


@pytest.fixture(autouse=True)
def _watched_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once a second, so that nothing here waits for the next look."""
    monkeypatch.setattr("executor.grace.LOOK_EVERY", 0.05)


def take(rig: Rig, log_id: int) -> RunInfo:
    """Claim a run as a process that dies right after."""
    with rig.database.begin() as session:
        taken = claim(session, rig.row(log_id).id, worker="doomed", now=rig.now)
    assert taken is not None
    rig.queue.clear()
    return taken


def test_kill_ends_running_and_queued_runs_each_with_its_text(
    rig: Rig, gate: tuple[str, Gate]
) -> None:
    name, door = gate
    for log_id in (1, 2, 3):
        rig.run(log_id, executorHandler="gated", executorParams=name)
    rig.run(4, jobId=8)
    busy = threading.Thread(target=rig.work)
    busy.start()
    assert door.entered.wait(10)
    assert rig.call("kill", {"jobId": 7})["msg"] == "Success"
    assert [rig.result(log_id) for log_id in (1, 2, 3)] == [
        (500, KILLED_RUNNING),
        (500, KILLED_QUEUED),
        (500, KILLED_QUEUED),
    ]
    assert rig.row(4).status != "killed"
    door.leave.set()
    busy.join()
    assert door.saw_cancelled
    assert door.calls == 1
    assert rig.result(1) == (500, KILLED_RUNNING)


def test_next_run_waits_until_a_killed_handler_has_returned(
    rig: Rig, gate: tuple[str, Gate]
) -> None:
    name, door = gate
    rig.run(1, executorHandler="gated", executorParams=name)
    busy = threading.Thread(
        target=rig.executor.perform, args=(rig.queue.pop(),), kwargs={"worker": "w"}
    )
    busy.start()
    assert door.entered.wait(10)
    rig.call("kill", {"jobId": 7})
    rig.run(2)
    rig.work()
    assert rig.row(2).status == "queued"
    door.leave.set()
    busy.join()
    rig.work()
    assert rig.result(2) == (200, "p")


@pytest.mark.parametrize("how", ["kill", "timeout", "cover", "taken over"])
def test_worker_is_told_when_its_handler_does_not_stop_within_the_grace(
    database: Database, gate: tuple[str, Gate], how: str
) -> None:
    rig = Rig(database, stop_grace_seconds=0.5)
    name, door = gate
    rig.run(1, executorHandler="gated", executorParams=name, executorTimeout=int(how == "timeout"))
    ends = threading.Event()
    options = {"worker": "w", "abandon": ends.set}
    busy = threading.Thread(target=rig.executor.perform, args=(rig.queue.pop(),), kwargs=options)
    busy.start()
    assert door.entered.wait(10)
    match how:
        case "kill":
            rig.call("kill", {"jobId": 7})
        case "cover":
            strategy = {"executorBlockStrategy": "COVER_EARLY"}
            rig.run(2, executorHandler="gated", executorParams="next", **strategy)
        case _:
            rig.advance(40)
            rig.tick()
    assert ends.wait(10)
    door.leave.set()
    busy.join()


def test_handler_that_returns_in_time_or_ends_its_own_run_costs_no_worker(
    database: Database, gate: tuple[str, Gate]
) -> None:
    rig = Rig(database, stop_grace_seconds=0)
    name, door = gate
    rig.run(1, executorHandler="gated", executorParams=name)
    ends = threading.Event()
    options = {"worker": "w", "abandon": ends.set}
    busy = threading.Thread(target=rig.executor.perform, args=(rig.queue.pop(),), kwargs=options)
    busy.start()
    assert door.entered.wait(10)
    rig.executor.finish(1, 200, "by somebody else")
    assert not ends.wait(0.5)  # the watch has looked some times
    door.leave.set()
    busy.join()
    assert not ends.is_set()


def test_watch_goes_on_while_the_ledger_is_away() -> None:
    looks = iter([OSError("away"), OSError("away")])
    ends = threading.Event()

    def was_stopped() -> bool:
        error = next(looks, None)
        if error is not None:
            raise error
        return True

    with GraceWatch(was_stopped, ends.set, grace_seconds=0):
        assert ends.wait(10)


def test_kill_without_anything_to_kill(rig: Rig) -> None:
    answer = rig.call("kill", {"jobId": 7})
    assert answer["code"] == 200
    assert answer["msg"] == answer["content"] == "job thread already killed."


def test_kill_and_timeout_of_deferred_runs_are_told_in_the_same_transaction(rig: Rig) -> None:
    told: list[tuple[int, str, str]] = []

    @rig.executor.on_kill
    def note(session: Session, run: RunInfo, cause: str) -> None:
        row = session.get(ExecutorRun, run.run_id)
        assert row is not None
        told.append((run.log_id, row.status, cause))

    rig.run(1, executorHandler="deferring")
    rig.work()
    rig.call("kill", {"jobId": 7})
    assert rig.result(1) == (500, KILLED_RUNNING)
    rig.run(2, executorHandler="deferring", executorTimeout=10)
    rig.work()
    rig.advance(10)
    rig.tick()
    assert told == [(1, "killed", "kill"), (2, "timed_out", "timeout")]
    assert rig.executor.finish(1, 200, "too late") is False


def test_hook_that_fails_keeps_the_run_as_it_was(rig: Rig) -> None:
    @rig.executor.on_kill
    def fail(_session: Session, _run: RunInfo, _cause: str) -> None:
        raise RuntimeError("no")

    rig.run(1, executorHandler="deferring")
    rig.work()
    assert rig.call("kill", {"jobId": 7})["code"] == 500
    assert rig.row(1).status == "deferred"


def test_timeout_of_a_running_handler(rig: Rig, gate: tuple[str, Gate]) -> None:
    name, door = gate
    rig.run(1, executorHandler="gated", executorParams=name, executorTimeout=60)
    rig.run(2, executorHandler="gated")
    busy = threading.Thread(target=rig.work)
    busy.start()
    assert door.entered.wait(10)
    rig.advance(59)
    with rig.database.begin() as session:  # the heartbeat, which beats in real time
        row = session.get(ExecutorRun, rig.row(1).id)
        assert row is not None
        row.lease_expires_at = rig.now.replace(hour=23)
    rig.tick()
    assert rig.row(1).status == "running"
    rig.advance(1)
    rig.tick()
    assert rig.result(1) == (502, "job execute timeout ")
    assert rig.row(2).status == "queued"
    door.leave.set()
    busy.join()
    assert door.saw_cancelled
    assert rig.result(1) == (502, "job execute timeout ")
    assert rig.result(2) == (200, "p")


@pytest.mark.parametrize("timeout", [0, -5])
def test_no_timeout(rig: Rig, timeout: int) -> None:
    rig.run(1, executorHandler="deferring", executorTimeout=timeout)
    rig.work()
    rig.advance(10**8)
    rig.tick()
    assert rig.row(1).status == "deferred"


def test_dead_run_is_reported_and_the_job_goes_on(rig: Rig) -> None:
    rig.run(1)
    rig.run(2)
    take(rig, 1)
    rig.advance(29)
    rig.tick()
    assert rig.row(1).status == "running"
    rig.advance(1)
    rig.tick()
    assert rig.result(1) == (500, "executor restarted")
    rig.work()
    assert rig.result(2) == (200, "p")


def test_worker_that_starts_again_gives_back_what_its_earlier_life_held(rig: Rig) -> None:
    rig.run(1)
    rig.run(2, jobId=8, executorHandler="resumable")
    rig.run(3, jobId=9)
    take(rig, 1)
    take(rig, 2)
    rig.executor.release("another")
    assert [rig.row(log_id).status for log_id in (1, 2)] == ["running", "running"]
    rig.executor.release("doomed")
    assert rig.result(1) == (500, "executor restarted")
    rig.work()
    assert rig.result(2) == (200, "whole")


def test_dead_run_of_a_resumable_handler_starts_again(rig: Rig) -> None:
    rig.run(1, executorHandler="resumable")
    doomed = take(rig, 1)
    rig.advance(30)
    rig.tick()
    assert rig.row(1).status == "queued"
    rig.work()
    assert rig.result(1) == (200, "whole")
    assert rig.row(1).claims == doomed.claim + 1
    assert rig.log(1)["logContent"].count("job execute start") == 2


def test_process_that_lost_its_run_changes_nothing_any_more(rig: Rig) -> None:
    rig.run(1, executorHandler="resumable")
    doomed = take(rig, 1)
    context = JobContext(doomed, Ledger(rig.database.begin, rig.database.read))
    assert not context.cancelled()
    rig.advance(30)
    rig.tick()
    with rig.database.begin() as session:
        assert not claims.renew(session, doomed, now=rig.now)
        claims.complete(session, doomed, code=200, message="from the grave", now=rig.now)
        claims.defer(session, doomed, now=rig.now)
    assert rig.row(1).status == "queued"
    again = take(rig, 1)
    with rig.database.begin() as session:
        claims.complete(session, doomed, code=200, message="from the grave", now=rig.now)
        assert claims.renew(session, again, now=rig.now)
    assert rig.row(1).status == "running"


def test_killed_run_of_a_dead_process_gives_the_job_free(rig: Rig) -> None:
    rig.run(1)
    take(rig, 1)
    rig.call("kill", {"jobId": 7})
    rig.run(2)
    rig.work()
    assert rig.row(2).status == "queued"
    rig.advance(30)
    rig.tick()
    rig.work()
    assert rig.result(1) == (500, KILLED_RUNNING)
    assert rig.result(2) == (200, "p")


def test_cancelled_looks_into_the_ledger_once_a_second(rig: Rig) -> None:
    rig.run(1)
    seconds = [0.0]
    taken = take(rig, 1)
    ledger = Ledger(rig.database.begin, rig.database.read)
    context = JobContext(taken, ledger, monotonic=lambda: seconds[0])
    assert not context.cancelled()
    rig.call("kill", {"jobId": 7})
    seconds[0] = 0.9
    assert not context.cancelled()
    seconds[0] = 1.0
    assert context.cancelled()


def test_worker_without_the_handler_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.run(1)
    monkeypatch.setattr("executor.handlers._handlers", {})
    rig.work()
    assert rig.result(1) == (500, "job handler [echo] not found.")
