"""Triggers and what becomes of them: order, idempotency, block strategies, results."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import func, select

from executor import JobContext, current_executor, finish, job_handler
from executor.models import ExecutorRun
from tests.executor.executor_rig import TOKEN, Gate, Rig, trigger

ONE_HOUR = 3600


def count_runs(rig: Rig) -> int:
    with rig.database.read() as session:
        return session.scalars(select(func.count()).select_from(ExecutorRun)).one()


def test_trigger_is_in_the_ledger_before_the_answer_and_run_after(rig: Rig) -> None:
    assert rig.run(1, executorParams="hello") == {
        "code": 200,
        "msg": "Success",
        "content": None,
        "data": None,
    }
    assert rig.row(1).status == "queued"
    rig.work()
    assert rig.result(1) == (200, "hello")


def test_run_is_kept_when_the_queue_is_away(rig: Rig) -> None:
    rig.queue_is_away = True
    assert rig.run(1)["code"] == 200
    rig.queue_is_away = False
    rig.tick()
    assert rig.queue == []  # too early to suspect anything
    rig.advance(15)
    rig.tick()
    rig.work()
    assert rig.result(1)[0] == 200


def test_offers_of_an_untaken_run_become_rare(rig: Rig) -> None:
    rig.run(1)
    for _step in range(ONE_HOUR // 10):
        rig.advance(10)
        rig.tick()
    assert 5 < len(rig.queue) < 30


@pytest.mark.parametrize(
    ("handler", "params", "result"),
    [
        ("echo", "数据 & <b>", (200, "数据 & <b>")),
        ("silent", "", (200, "")),
        ("fail", "disk is full", (500, "disk is full")),
        ("crash", "", (500, "ValueError: <b>no</b>")),
    ],
)
def test_results(rig: Rig, handler: str, params: str, result: tuple[int, str]) -> None:
    rig.run(1, executorHandler=handler, executorParams=params)
    rig.work()
    assert rig.result(1) == result


def test_crash_leaves_a_short_line_and_no_stack_trace_in_the_job_log(rig: Rig) -> None:
    rig.run(1, executorHandler="crash")
    rig.work()
    text = rig.log(1)["logContent"]
    assert "ValueError" in text
    assert "Traceback" not in text


def test_handler_gets_its_shard_and_64_bit_log_ids(rig: Rig) -> None:
    rig.run(2**40, executorHandler="shard", broadcastIndex=2, broadcastTotal=5)
    rig.work()
    assert rig.result(2**40) == (200, f"7/{2**40}: 2/5")


def test_unknown_fields_are_ignored(rig: Rig) -> None:
    assert rig.run(1, somethingNew={"a": 1})["code"] == 200


@pytest.mark.parametrize("stage", ["queued", "ended"])
def test_same_trigger_again_is_the_same_run(rig: Rig, stage: str) -> None:
    rig.run(1)
    if stage == "ended":
        rig.work()
    assert rig.run(1)["code"] == 200
    rig.work()
    assert count_runs(rig) == 1
    assert rig.log(1)["logContent"].count("job execute start") == 1


@pytest.mark.parametrize("other", [{"jobId": 8}, {"logDateTime": 5}])
def test_reused_log_id_is_another_run(rig: Rig, other: dict[str, Any]) -> None:
    rig.run(1)
    rig.work()
    assert rig.run(1, **other)["code"] == 200
    rig.work()
    assert count_runs(rig) == 2
    assert rig.row(1).status == "succeeded"


def test_same_trigger_is_accepted_again_although_later_ones_are_discarded(rig: Rig) -> None:
    rig.run(1, executorBlockStrategy="DISCARD_LATER")
    assert rig.run(1, executorBlockStrategy="DISCARD_LATER")["code"] == 200


def test_same_trigger_from_many_threads_is_one_run(rig: Rig) -> None:
    start = threading.Barrier(8)
    answers: list[dict[str, Any]] = []

    def send() -> None:
        client = rig.app.test_client()
        start.wait()
        headers = {"XXL-JOB-ACCESS-TOKEN": TOKEN}
        response = client.post("/xxl-job/run", json=trigger(1), headers=headers)
        answers.append(response.get_json())

    in_threads(8, send)
    assert [answer["code"] for answer in answers] == [200] * 8
    assert count_runs(rig) == 1


def test_one_of_many_workers_executes_a_run(rig: Rig, gate: tuple[str, Gate]) -> None:
    name, door = gate
    door.leave.set()
    rig.run(1, executorHandler="gated", executorParams=name)
    run_id, start = rig.queue[0], threading.Barrier(8)

    def work() -> None:
        start.wait()
        rig.executor.perform(run_id, worker="w")

    in_threads(8, work)
    assert door.calls == 1
    assert rig.result(1) == (200, "done")


def test_job_runs_one_after_the_other_and_jobs_do_not_wait_for_each_other(
    rig: Rig, gate: tuple[str, Gate]
) -> None:
    name, door = gate
    for log_id in (1, 2, 3):
        rig.run(log_id, executorHandler="gated", executorParams=name if log_id == 1 else "p")
    rig.run(9, jobId=8)
    first, second, third, other = rig.queue
    rig.queue.clear()
    busy = threading.Thread(target=rig.executor.perform, args=(first,), kwargs={"worker": "w1"})
    busy.start()
    assert door.entered.wait(10)
    rig.executor.perform(third, worker="w2")
    rig.executor.perform(second, worker="w2")
    rig.executor.perform(other, worker="w2")
    assert [rig.row(log_id).status for log_id in (1, 2, 3, 9)] == [
        "running",
        "queued",
        "queued",
        "succeeded",
    ]
    door.leave.set()
    busy.join()
    assert rig.queue == [second]  # told by the first one's end
    rig.work()
    ends = [rig.row(log_id) for log_id in (1, 2, 3)]
    assert [run.status for run in ends] == ["succeeded"] * 3
    assert ends[1].id < ends[2].id


def test_many_workers_never_execute_two_runs_of_a_job_at_once(rig: Rig) -> None:
    inside: list[int] = []
    order: list[int] = []

    @job_handler("alone in its job")
    def alone(context: JobContext) -> None:
        inside.append(context.log_id)
        order.append(context.log_id)
        context.log("here")
        assert inside == [context.log_id]
        inside.clear()

    for log_id in range(1, 16):
        rig.run(log_id, executorHandler="alone in its job")
    run_ids = list(rig.queue)

    def work() -> None:
        while len(order) < len(run_ids):
            for run_id in run_ids[len(order) :]:
                rig.executor.perform(run_id, worker="w")

    in_threads(4, work)
    assert order == list(range(1, 16))
    assert {rig.row(log_id).status for log_id in order} == {"succeeded"}


def test_discard_later_refuses_while_the_job_is_busy(rig: Rig) -> None:
    rig.run(1)
    answer = rig.run(2, executorBlockStrategy="DISCARD_LATER")
    assert (answer["code"], answer["msg"]) == (500, "block strategy effect：Discard Later")
    assert count_runs(rig) == 1
    rig.work()
    assert rig.run(3, executorBlockStrategy="DISCARD_LATER")["code"] == 200


@pytest.mark.parametrize("strategy", [None, "", "SOMETHING_ELSE"])
def test_unknown_block_strategy_is_serial(rig: Rig, strategy: str | None) -> None:
    rig.run(1)
    assert rig.run(2, executorBlockStrategy=strategy)["code"] == 200


def test_idle_beat(rig: Rig) -> None:
    assert rig.call("idleBeat", {"jobId": 7})["code"] == 200
    rig.run(1, executorHandler="deferring")
    busy = {
        "code": 500,
        "msg": "job thread is running or has trigger queue.",
        "content": None,
        "data": None,
    }
    assert rig.call("idleBeat", {"jobId": 7}) == busy
    assert rig.call("idleBeat", {"jobId": 8})["code"] == 200
    rig.work()
    assert rig.row(1).status == "deferred"
    assert rig.call("idleBeat", {"jobId": 7}) == busy
    rig.executor.finish(1, 200, "")
    assert rig.call("idleBeat", {"jobId": 7})["code"] == 200


@pytest.mark.parametrize(
    ("code", "status"), [(200, "succeeded"), (500, "failed"), (502, "timed_out"), (777, "failed")]
)
def test_deferred_run_is_ended_from_outside_once(rig: Rig, code: int, status: str) -> None:
    rig.run(1, executorHandler="deferring")
    rig.run(2, executorHandler="deferring", executorParams="at once")
    rig.work()
    [waiting] = rig.executor.deferred_runs()
    assert (waiting.log_id, waiting.status) == (1, "deferred")
    assert rig.row(2).status == "queued"
    assert finish(1, code, "all")
    assert not finish(1, 200, "again")
    assert (rig.row(1).status, *rig.result(1)) == (status, code, "all")
    rig.work()
    assert rig.row(2).status == "succeeded"
    assert rig.executor.deferred_runs() == []


def test_finish_before_the_handler_has_returned(rig: Rig, gate: tuple[str, Gate]) -> None:
    name, door = gate
    rig.run(1, executorHandler="gated", executorParams=name)
    rig.run(2, executorHandler="gated")
    busy = threading.Thread(target=rig.work)
    busy.start()
    assert door.entered.wait(10)
    assert rig.executor.finish(1, 200, "early")
    assert rig.executor.finish(1, 500, "late") is False
    door.leave.set()
    busy.join()
    assert rig.result(1) == (200, "early")
    assert rig.result(2) == (200, "p")


def test_a_run_is_finished_by_its_own_id_whatever_its_log_id(rig: Rig) -> None:
    """A reinstalled admin starts its log ids again at 1."""
    rig.run(1, executorHandler="deferring", jobId=7, logDateTime=1)
    rig.run(1, executorHandler="deferring", jobId=8, logDateTime=2)
    rig.work()
    older, newer = rig.executor.deferred_runs()
    rig.executor.append_run_log(older.run_id, "of the older one")
    assert rig.executor.finish_run(older.run_id, 200, "done")
    assert not rig.executor.finish_run(older.run_id, 500, "again")
    assert [run.run_id for run in rig.executor.deferred_runs()] == [newer.run_id]
    lines = [line.text for line in rig.executor.log_lines(older.run_id)]
    assert "of the older one" in lines
    assert rig.executor.find_run(older.run_id) != rig.executor.find_run(newer.run_id)
    assert [run.run_id for run in rig.executor.newest_runs()] == [newer.run_id, older.run_id]
    assert not rig.executor.finish_run(404, 200, "")


def test_finish_of_what_does_not_exist(rig: Rig) -> None:
    assert current_executor() is rig.executor
    assert finish(404, 200, "") is False


def in_threads(count: int, work: Any) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
