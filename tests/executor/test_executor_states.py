"""The life of runs under any order of events, against a model of what must hold."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from executor import claims, endings, runs
from executor.changes import move
from executor.errors import IllegalTransition, TriggerRefused
from executor.models import Base, ExecutorRun, RunInfo
from executor.protocol.inbound import parse_trigger
from executor.statuses import TRANSITIONS, Cause, RunStatus
from tests.executor.executor_rig import START, trigger

LIMIT = 3
JOBS = st.integers(1, 2)


class RunsMachine(RuleBasedStateMachine):
    """Two jobs, workers that may die at any moment, and an admin that kills."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine("sqlite://")
        Base.metadata.create_all(self.engine)
        self.session = Session(self.engine)
        self.now: datetime = START
        self.log_id = 0
        self.alive: list[RunInfo] = []
        self.seen: dict[int, RunInfo] = {}

    def teardown(self) -> None:
        self.session.close()
        self.engine.dispose()

    @rule(
        job_id=JOBS,
        handler=st.sampled_from(["echo", "echo", "echo", "resumable"]),
        strategy=st.sampled_from(["SERIAL_EXECUTION", "DISCARD_LATER", "COVER_EARLY"]),
        resumable=st.booleans(),
        timeout=st.sampled_from([0, 40]),
    )
    def trigger(
        self, job_id: int, handler: str, strategy: str, resumable: bool, timeout: int
    ) -> None:
        self.log_id += 1
        body = trigger(
            self.log_id,
            jobId=job_id,
            executorHandler=handler,
            executorBlockStrategy=strategy,
            executorTimeout=timeout,
        )
        before = [run for run in self.rows() if run.job_id == job_id]
        unfinished = [run.id for run in before if not RunStatus(run.status).is_ended]
        waiting = [run.id for run in before if run.status == RunStatus.QUEUED]
        gives_way = strategy == "COVER_EARLY" or any(
            run.handler != handler for run in before if run.id in unfinished
        )
        parsed = parse_trigger(json.dumps(body).encode())
        try:
            accepted = runs.accept(
                self.session, parsed, resumable=resumable, queue_limit=LIMIT, now=self.now
            )
        except TriggerRefused:
            assert not gives_way
            assert len(waiting) >= LIMIT or (unfinished and strategy == "DISCARD_LATER")
        else:
            assert {run.run_id for run in accepted.stopped} == set(unfinished if gives_way else [])
            again = runs.accept(
                self.session, parsed, resumable=resumable, queue_limit=LIMIT, now=self.now
            )
            assert (again.run_id, again.stopped) == (accepted.run_id, ())

    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        queued = [run.id for run in self.rows() if run.status == RunStatus.QUEUED]
        if queued:
            run_id = data.draw(st.sampled_from(queued))
            taken = claims.claim(self.session, run_id, worker="w", now=self.now)
            if taken is not None:
                self.alive.append(taken)

    @rule(data=st.data(), how=st.sampled_from(["complete", "defer", "renew", "die"]))
    def handler_returns(self, data: st.DataObject, how: str) -> None:
        if not self.alive:
            return
        taken = data.draw(st.sampled_from(self.alive))
        if how == "renew":
            claims.renew(self.session, taken, now=self.now)
            return
        self.alive.remove(taken)
        if how == "complete":
            claims.complete(self.session, taken, code=200, message="", now=self.now)
        elif how == "defer":
            claims.defer(self.session, taken, now=self.now)

    @rule(job_id=JOBS)
    def kill(self, job_id: int) -> None:
        endings.stop_job(self.session, job_id, Cause.KILL, self.now)
        assert not runs.is_busy(self.session, job_id)

    @rule(log_id=st.integers(1, 10))
    def finish(self, log_id: int) -> None:
        endings.finish(self.session, log_id, code=500, message="", now=self.now)

    @rule(seconds=st.sampled_from([1, 29, 31]))
    def tick(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        endings.time_out(self.session, self.now)
        for run_id in claims.dead(self.session, self.now):
            claims.reap(self.session, run_id, self.now)
        self.session.flush()
        assert not endings.has_overdue(self.session, self.now)
        assert not claims.dead(self.session, self.now)

    def rows(self) -> list[ExecutorRun]:
        statement = select(ExecutorRun).execution_options(populate_existing=True)
        return list(self.session.scalars(statement.order_by(ExecutorRun.id)))

    @invariant()
    def ended_runs_stay_as_they_ended(self) -> None:
        for run in self.rows():
            # A handler may return long after its run was ended from outside; deliveries go on.
            info = replace(run.info(), is_held=False, due_at=None, deliveries=0, delivered_at=None)
            before = self.seen.get(run.id)
            if before is not None and before.status.is_ended:
                assert before == info
            assert info.status.is_ended == (info.code is not None)
            reported = run.next_delivery_at is not None or run.delivered_at is not None
            assert info.status.is_ended == reported
            self.seen[run.id] = info

    @invariant()
    def job_is_held_by_those_who_should(self) -> None:
        for run in self.rows():
            active = run.status in {RunStatus.RUNNING, RunStatus.DEFERRED}
            held = run.occupies_job_id is not None
            assert held == (active or run.lease_expires_at is not None)
            assert run.status != RunStatus.RUNNING or run.lease_expires_at is not None
            assert run.status != RunStatus.QUEUED or run.lease_expires_at is None

    @invariant()
    def free_job_with_queued_runs_has_a_next_one(self) -> None:
        rows = self.rows()
        for job_id in (1, 2):
            queued = [r.id for r in rows if r.job_id == job_id and r.status == RunStatus.QUEUED]
            held = any(run.occupies_job_id == job_id for run in rows)
            expected = [] if held or not queued else [min(queued)]
            assert list(runs.next_of_job(self.session, job_id)) == expected

    @invariant()
    def log_lines_have_no_gaps(self) -> None:
        connection = self.session.connection()
        found = connection.exec_driver_sql(
            "SELECT r.log_lines, count(l.number), coalesce(max(l.number), 0) FROM executor_runs r"
            " LEFT JOIN executor_log_lines l ON l.run_id = r.id GROUP BY r.id"
        )
        assert all(lines == count == last for lines, count, last in found)


class LongRunsMachine(RunsMachine):
    """The same with patience."""


RunsMachine.TestCase.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)
LongRunsMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None
)
TestLongRunsMachine = pytest.mark.faults(LongRunsMachine.TestCase)
TestRunsMachine = RunsMachine.TestCase


@pytest.mark.parametrize("old", list(RunStatus))
@pytest.mark.parametrize("new", list(RunStatus))
def test_only_changes_of_the_table_are_possible(old: RunStatus, new: RunStatus) -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        parsed = parse_trigger(json.dumps(trigger(1)).encode())
        accepted = runs.accept(session, parsed, resumable=False, queue_limit=LIMIT, now=START)
        run = session.get_one(ExecutorRun, accepted.run_id)
        run.status = old.value
        session.flush()
        if new in TRANSITIONS[old]:
            assert move(session, run, new)
        else:
            with pytest.raises(IllegalTransition):
                move(session, run, new)
    engine.dispose()


def test_ends_are_final() -> None:
    assert {status for status in RunStatus if not TRANSITIONS[status]} == {
        status for status in RunStatus if status.is_ended
    }
