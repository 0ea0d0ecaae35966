"""Ends that come from outside the handler: kill, timeout, and the finish of a deferred run."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from . import changes
from .models import ExecutorRun, RunInfo
from .protocol import texts
from .protocol.dialects import Dialect
from .statuses import Cause, RunStatus

_REASONS: Final = {
    Cause.KILL: texts.KILLED,
    Cause.COVER: texts.COVERED,
    Cause.CHANGE: texts.HANDLER_CHANGED,
}


def stop_job(session: Session, job_id: int, cause: Cause, now: datetime) -> list[RunInfo]:
    """End every unfinished run of the job with Java's text for it; returns the ended ones.

    :param cause: a kill, or the later trigger that takes the job's place
    """
    return _stop(session, ExecutorRun.job_id == job_id, cause, now)


def stop_runs(
    session: Session, run_ids: Collection[int], cause: Cause, now: datetime
) -> list[RunInfo]:
    """The same for some runs of a job."""
    return _stop(session, ExecutorRun.id.in_(run_ids), cause, now)


def _stop(
    session: Session, which: ColumnElement[bool], cause: Cause, now: datetime
) -> list[RunInfo]:
    ended = []
    for run in _unfinished(session, which):
        text = texts.stopped(
            _REASONS[cause],
            was_queued=run.status == RunStatus.QUEUED,
            until_210=run.dialect == Dialect.RPC,
        )
        if changes.end(
            session, run, RunStatus.KILLED, cause=cause, code=texts.FAIL, message=text, now=now
        ):
            ended.append(run.info())
    return ended


def time_out(session: Session, now: datetime) -> list[RunInfo]:
    """End every run whose time limit has passed with code 502; returns the ended ones."""
    return [
        run.info()
        for run in _unfinished(session, ExecutorRun.deadline_at <= now)
        if changes.end(
            session,
            run,
            RunStatus.TIMED_OUT,
            cause=Cause.TIMEOUT,
            code=texts.TIMEOUT,
            message=texts.TIMED_OUT,
            now=now,
        )
    ]


def has_overdue(session: Session, now: datetime) -> bool:
    """Whether :func:`time_out` has anything to do."""
    statement = select(ExecutorRun.id).where(
        ExecutorRun.deadline_at <= now, ExecutorRun.status.in_(changes.UNFINISHED_VALUES)
    )
    return session.scalars(statement.limit(1)).first() is not None


def finish(
    session: Session, log_id: int, *, code: int, message: str, now: datetime
) -> RunInfo | None:
    """End the newest run of ``log_id`` that is deferred, or just about to be.

    Idempotent: None when there is none (any more).
    """
    run = changes.newest_of_log(session, log_id, *_FINISHABLE, for_update=True)
    return None if run is None else _finish(session, run, code, message, now)


def finish_run(
    session: Session, run_id: int, *, code: int, message: str, now: datetime
) -> RunInfo | None:
    """The same for a run known by its own id, which no other admin's log id can be mistaken for."""
    run = session.get(ExecutorRun, run_id, with_for_update=True, populate_existing=True)
    if run is None or RunStatus(run.status) not in _FINISHABLE:
        return None
    return _finish(session, run, code, message, now)


_FINISHABLE = (RunStatus.DEFERRED, RunStatus.RUNNING)


def _finish(
    session: Session, run: ExecutorRun, code: int, message: str, now: datetime
) -> RunInfo | None:
    status = _END_OF_CODE.get(code, RunStatus.FAILED)
    ended = changes.end(
        session, run, status, cause=Cause.HANDLER, code=code, message=message, now=now
    )
    return run.info() if ended else None


_END_OF_CODE = {texts.OK: RunStatus.SUCCEEDED, texts.TIMEOUT: RunStatus.TIMED_OUT}


def _unfinished(session: Session, condition: ColumnElement[bool]) -> list[ExecutorRun]:
    # Locked in one order, so that two processes doing this at once wait instead of colliding.
    statement = (
        select(ExecutorRun)
        .where(condition, ExecutorRun.status.in_(changes.UNFINISHED_VALUES))
        .order_by(ExecutorRun.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(statement))
