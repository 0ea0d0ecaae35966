"""What a database server undoes for the sake of another transaction, or with a lost connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from executor import RunInfo
from executor.ledger import savepoint
from executor.models import ExecutorLock, ExecutorLogLine, ExecutorRegistration, ExecutorRun
from executor.observing import Moment
from executor.statuses import RunStatus
from tests.executor.conftest import DATABASES
from tests.executor.executor_rig import START, Database, Rig

SERVED = DATABASES[1:]
CONTESTED = "http://contested/"
_HEAVY = 200


@pytest.fixture(params=["deadlock", "lost"])
def spoiled(request: pytest.FixtureRequest, rig: Rig) -> Iterator[Callable[[Moment], list[Moment]]]:
    """Has the first transaction that tells of a moment undone; gives the list of those told."""
    kind: str = request.param
    with _other(rig.database) as other:

        def arm(moment: Moment) -> list[Moment]:
            told: list[Moment] = []

            def spoil(session: Session, run: RunInfo, seen: Moment) -> None:
                if seen != moment:
                    return
                told.append(seen)
                if len(told) == 1:
                    (other.collide if kind == "deadlock" else other.cut)(session, run)

            rig.executor.observe(spoil)
            return told

        yield arm


class Other:
    """Another process's transaction, which wins."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._thread: threading.Thread | None = None

    def collide(self, session: Session, run: RunInfo) -> None:
        """Wait for what the session holds, and have it wait for what this one holds."""
        self._connection.execute(update(ExecutorRegistration).values(problem="held"))
        self._thread = threading.Thread(target=self._want, args=(run,))
        self._thread.start()
        session.execute(
            update(ExecutorRegistration)
            .where(ExecutorRegistration.admin_address == f"{CONTESTED}0")
            .values(problem="wanted")
        )
        pytest.fail("no deadlock")

    def cut(self, session: Session, _run: RunInfo) -> None:
        """End the session's connection on the server."""
        is_postgresql = self._connection.dialect.name == "postgresql"
        ask = "SELECT pg_backend_pid()" if is_postgresql else "SELECT CONNECTION_ID()"
        number = session.scalar(text(ask))
        end = f"SELECT pg_terminate_backend({number})" if is_postgresql else f"KILL {number}"
        self._connection.exec_driver_sql(end)
        session.execute(text("SELECT 1"))
        pytest.fail("the connection lives")

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _want(self, run: RunInfo) -> None:
        lock = update(ExecutorLock).where(ExecutorLock.name == f"job:{run.job_id}")
        self._connection.execute(lock.values(taken_at=START))
        row = update(ExecutorRun).where(ExecutorRun.id == run.run_id)
        self._connection.execute(row.values(log_chars=ExecutorRun.log_chars))
        self._connection.rollback()


@contextmanager
def _other(database: Database) -> Iterator[Other]:
    with database.begin() as session:
        session.add_all(
            ExecutorRegistration(
                admin_address=f"{CONTESTED}{number}", executor_address="", attempted_at=START
            )
            for number in range(_HEAVY)  # MariaDB undoes the one that has changed less
        )
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # there whoever looks first undoes itself
            connection.exec_driver_sql("SET deadlock_timeout = '100s'")
        other = Other(connection)
        yield other
        other.join()


@pytest.mark.parametrize("database_url", SERVED, indirect=True)
def test_a_trigger_is_answered_and_kept_once(
    rig: Rig, spoiled: Callable[[Moment], list[Moment]]
) -> None:
    rig.run(1)
    told = spoiled("accepted")
    assert rig.run(2)["code"] == 200
    assert told == ["accepted", "accepted"]
    assert rig.queue == [1, rig.row(2).id]
    with rig.database.read() as session:
        assert len(session.scalars(select(ExecutorRun)).all()) == 2


@pytest.mark.parametrize("database_url", SERVED, indirect=True)
def test_a_kill_is_answered(rig: Rig, spoiled: Callable[[Moment], list[Moment]]) -> None:
    rig.run(1)
    told = spoiled("ended")
    assert rig.call("kill", {"jobId": 7})["code"] == 200
    assert (told, rig.row(1).status) == (["ended", "ended"], RunStatus.KILLED)


@pytest.mark.parametrize("database_url", SERVED, indirect=True)
def test_a_result_is_kept_and_its_handler_not_called_again(
    rig: Rig, spoiled: Callable[[Moment], list[Moment]]
) -> None:
    rig.run(1, executorParams="x")
    told = spoiled("ended")
    rig.work()
    assert (told, rig.result(1)) == (["ended", "ended"], (200, "x"))
    with rig.database.read() as session:
        lines = session.scalars(select(ExecutorLogLine.text)).all()
    assert [line for line in lines if line.startswith("got")] == ["got x"]


@pytest.mark.parametrize("database_url", SERVED, indirect=True)
def test_a_deferred_run_is_ended(rig: Rig, spoiled: Callable[[Moment], list[Moment]]) -> None:
    rig.run(1, executorHandler="deferring")
    rig.work()
    told = spoiled("ended")
    assert rig.executor.finish(1, 200, "done")
    assert (told, rig.result(1)) == (["ended", "ended"], (200, "done"))


def test_a_savepoint_undoes_what_failed_and_nothing_else(database: Database) -> None:
    with database.begin() as session:
        keep = insert(ExecutorLock).values(name="kept", taken_at=START)
        session.execute(keep)
        with suppress(IntegrityError), savepoint(session):
            session.add(ExecutorLock(name="undone", taken_at=START))
            session.flush()
            session.execute(keep)
        with suppress(IntegrityError), savepoint(session):
            session.add(ExecutorLock(name="kept", taken_at=START))
        session.add(ExecutorLock(name="afterwards", taken_at=START))
    with database.read() as session:
        assert session.scalars(select(ExecutorLock.name).order_by(ExecutorLock.name)).all() == [
            "afterwards",
            "kept",
        ]


def test_long_text_beyond_the_first_plane_is_kept_whole(rig: Rig) -> None:
    params = "𠮷😀" * 40_000
    rig.run(1, executorParams=params)
    rig.work()
    assert rig.row(1).params == params
    assert "got 𠮷😀𠮷😀" in rig.log(1)["logContent"]
    rig.run(2, executorParams="short 𠮷😀")
    rig.work()
    assert rig.result(2) == (200, "short 𠮷😀")
