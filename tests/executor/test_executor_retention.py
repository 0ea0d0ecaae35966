"""Old runs are forgotten; nothing that lives is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from executor import retention
from executor.claims import claim
from executor.models import ExecutorLogLine, ExecutorRun
from tests.executor.executor_rig import Database, Rig
from tests.executor.fake_admin import FakeAdmin

DAY = 86_400


@pytest.fixture
def rig(database: Database) -> Rig:
    return Rig(database, log_retention=timedelta(days=30))


def counts(rig: Rig) -> tuple[int, int]:
    with rig.database.read() as session:
        return (
            session.scalars(select(func.count()).select_from(ExecutorRun)).one(),
            session.scalars(select(func.count()).select_from(ExecutorLogLine)).one(),
        )


def test_ended_runs_go_with_their_logs_after_the_time_that_is_kept(rig: Rig) -> None:
    rig.run(1)
    rig.work()
    rig.advance(30 * DAY - 1)
    rig.run(2)
    rig.work()
    rig.tick()
    assert counts(rig)[0] == 2
    rig.advance(retention.EVERY.total_seconds())
    rig.tick()
    assert counts(rig)[0] == 1
    assert rig.log(1)["logContent"] == "readLog fail, logFile not exists"
    assert "got p" in rig.log(2)["logContent"]


@pytest.mark.parametrize("state", ["queued", "running", "deferred", "killed but held"])
def test_run_that_lives_is_kept_however_old(rig: Rig, state: str) -> None:
    rig.run(1, executorHandler="deferring")
    if state == "deferred":
        rig.work()
    elif state != "queued":
        with rig.database.begin() as session:
            claim(session, rig.row(1).id, worker="w", now=rig.now + timedelta(days=400))
    if state == "killed but held":
        rig.call("kill", {"jobId": 7})
    rig.advance(365 * DAY)
    rig.executor.tick(rig.now)
    assert counts(rig)[0] == 1


def test_result_that_no_admin_has_is_kept_however_old(database: Database) -> None:
    with FakeAdmin() as admin:
        admin.trouble = lambda: ("503 Service Unavailable", [], b"")
        rig = Rig(database, log_retention=timedelta(days=3), admin_addresses=(admin.address,))
        rig.run(1)
        rig.work()
        rig.advance(10 * DAY)
        rig.tick()
        assert counts(rig)[0] == 1
        admin.trouble = None
        rig.advance(3600)
        rig.tick()
        assert admin.results[1].code == 200
        rig.advance(3600)
        rig.tick()
        assert counts(rig) == (0, 0)


def test_long_logs_go_in_small_transactions(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LINES", 10)
    monkeypatch.setattr(retention, "TRANSACTIONS", 5)
    forgotten: list[int] = []

    @rig.executor.on_forget
    def note(_session: Session, run_id: int) -> None:
        forgotten.append(run_id)

    rig.run(1)
    rig.work()
    rig.executor.append_log(1, "\n".join("x" * 96))
    run_id = rig.row(1).id
    left: list[Any] = []
    rig.advance(31 * DAY)
    while counts(rig)[0]:
        rig.tick()
        left.append(counts(rig)[1])
    assert left == [50, 0, 0]
    assert forgotten == [run_id]
