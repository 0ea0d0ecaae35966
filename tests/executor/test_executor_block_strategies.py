"""What becomes of a trigger while its job is busy."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy.orm import Session

from executor import JobContext, RunInfo, job_handler
from executor.statuses import Cause
from tests.executor.executor_rig import TOKEN, Database, Gate, Rig, trigger

COVERED = "block strategy effect：Cover Early"
CHANGED = "change jobhandler or glue type, and terminate the old job thread."
RUNNING = "[job running, killed]"
QUEUED = "[job not executed, in the job queue, killed.]"


def test_cover_early_ends_the_running_and_the_queued_runs_each_with_its_text(rig: Rig) -> None:
    rig.run(1, executorHandler="deferring")
    rig.work()
    rig.run(2, executorHandler="deferring")
    rig.run(3, executorHandler="deferring")
    rig.run(9, jobId=8, executorHandler="deferring")
    answer = rig.run(
        4,
        executorHandler="deferring",
        executorParams="at once",
        executorBlockStrategy="COVER_EARLY",
    )
    assert answer["code"] == 200
    assert [rig.result(log_id) for log_id in (1, 2, 3)] == [
        (500, f"{COVERED} {RUNNING}"),
        (500, f"{COVERED} {QUEUED}"),
        (500, f"{COVERED} {QUEUED}"),
    ]
    rig.work()
    assert rig.result(4) == (200, "at once")
    assert rig.row(9).status == "deferred"


def test_cover_early_of_an_idle_job_is_an_ordinary_run(rig: Rig) -> None:
    rig.run(1, executorBlockStrategy="COVER_EARLY")
    rig.work()
    rig.run(2, executorBlockStrategy="COVER_EARLY")
    rig.work()
    assert [rig.result(log_id) for log_id in (1, 2)] == [(200, "p"), (200, "p")]


def test_covering_run_starts_only_when_the_covered_handler_has_returned(
    rig: Rig, gate: tuple[str, Gate]
) -> None:
    name, door = gate
    rig.run(1, executorHandler="gated", executorParams=name)
    busy = threading.Thread(target=rig.work)
    busy.start()
    assert door.entered.wait(20)
    rig.run(2, executorHandler="gated", executorBlockStrategy="COVER_EARLY")
    assert rig.result(1) == (500, f"{COVERED} {RUNNING}")
    rig.executor.perform(rig.row(2).id, worker="another")
    assert rig.row(2).status == "queued"
    door.leave.set()
    busy.join()
    rig.work()
    assert door.saw_cancelled
    assert rig.result(2) == (200, "p")


def test_same_trigger_again_covers_nothing(rig: Rig) -> None:
    for _again in range(2):
        rig.run(1, executorHandler="deferring", executorBlockStrategy="COVER_EARLY")
        rig.work()
    assert rig.row(1).status == "deferred"


@pytest.mark.parametrize("strategy", ["SERIAL_EXECUTION", "DISCARD_LATER", "COVER_EARLY"])
def test_another_handler_ends_the_runs_of_the_old_one_before_any_strategy(
    rig: Rig, strategy: str
) -> None:
    rig.run(1, executorHandler="deferring")
    rig.work()
    rig.run(2, executorHandler="deferring")
    assert rig.run(3, executorBlockStrategy=strategy)["code"] == 200
    assert rig.result(1) == (500, f"{CHANGED} {RUNNING}")
    assert rig.result(2) == (500, f"{CHANGED} {QUEUED}")
    rig.work()
    assert rig.result(3) == (200, "p")


def test_hooks_are_told_why_in_the_transaction_that_accepts_the_trigger(rig: Rig) -> None:
    told: list[tuple[int, Cause]] = []

    @rig.executor.on_kill
    def note(_session: Session, run: RunInfo, cause: Cause) -> None:
        told.append((run.log_id, cause))
        if run.log_id == 3:
            raise RuntimeError("no")

    rig.run(1, executorHandler="deferring")
    rig.run(2, executorHandler="deferring", executorBlockStrategy="COVER_EARLY")
    rig.run(3)
    assert told == [(1, Cause.COVER), (2, Cause.CHANGE)]
    assert rig.run(4, executorBlockStrategy="COVER_EARLY")["code"] == 500
    assert rig.row(3).status == "queued"


def test_queue_of_a_job_has_a_bound(database: Database) -> None:
    rig = Rig(database, queue_limit=2)
    rig.run(1, executorHandler="deferring")
    rig.work()
    assert [rig.run(n, executorHandler="deferring")["code"] for n in (2, 3)] == [200, 200]
    answer = rig.run(4, executorHandler="deferring")
    assert answer["code"] == 500
    assert answer["msg"] == "job queue is full: 2 runs of job 7 are waiting"
    assert rig.run(3, executorHandler="deferring")["code"] == 200  # it has its place
    assert rig.run(5, jobId=8, executorHandler="deferring")["code"] == 200


@pytest.mark.parametrize(
    ("strategy", "accepted"), [("DISCARD_LATER", 1), ("COVER_EARLY", 8), ("SERIAL_EXECUTION", 3)]
)
def test_strategies_hold_when_triggers_come_at_the_same_moment(
    database: Database, strategy: str, accepted: int
) -> None:
    rig = Rig(database, queue_limit=3)
    start = threading.Barrier(8)
    codes: list[int] = []

    def send(log_id: int) -> None:
        client = rig.app.test_client()
        start.wait()
        body = trigger(log_id, executorBlockStrategy=strategy)
        headers = {"XXL-JOB-ACCESS-TOKEN": TOKEN}
        codes.append(client.post("/xxl-job/run", json=body, headers=headers).get_json()["code"])

    threads = [threading.Thread(target=send, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count(200) == accepted
    unfinished = [n for n in range(1, 9) if is_unfinished(rig, n)]
    assert len(unfinished) == (1 if strategy == "COVER_EARLY" else accepted)


def is_unfinished(rig: Rig, log_id: int) -> bool:
    try:
        return rig.row(log_id).status == "queued"
    except AssertionError:
        return False


def test_hold_keeps_a_kill_waiting_until_the_transaction_has_ended(rig: Rig) -> None:
    held, go_on = threading.Event(), threading.Event()
    seen: list[Any] = []

    @job_handler("holds")
    def holds(context: JobContext) -> str:
        with rig.database.begin() as session:
            seen.append(context.hold(session))
            held.set()
            assert go_on.wait(20)
            seen.append(rig.row(1).status)
        killer.join()
        with rig.database.begin() as session:
            seen.append(context.hold(session))
        return "done"

    killer = threading.Thread(target=rig.call, args=("kill", {"jobId": 7}))
    rig.run(1, executorHandler="holds")
    worker = threading.Thread(target=rig.work)
    worker.start()
    assert held.wait(20)
    killer.start()
    go_on.set()
    worker.join()
    assert seen == [True, "running", False]
    assert rig.row(1).status == "killed"
