"""Triggers become rows here, and rows are offered to the queue.

Functions work in the caller's session and transaction; the queue is told afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final, cast

from sqlalchemy import ColumnElement, Select, bindparam, exists, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from . import endings, locks, observing
from .changes import UNFINISHED_VALUES, rows_changed
from .errors import TriggerRefused
from .models import ExecutorRun, RunInfo
from .protocol import texts
from .protocol.inbound import Trigger
from .statuses import Cause, RunStatus

OFFER_AGAIN: Final = timedelta(seconds=15)
"""A queued run that nobody took, and of which the queue knows nothing, is offered again after this;
when nobody can say what the queue knows, after ever longer waits."""
OFFER_AGAIN_AT_MOST: Final = timedelta(minutes=5)


# Made once: to make a statement costs as much as to execute it, and these come with every trigger.
_IS_BUSY: Final = select(
    exists().where(
        ExecutorRun.job_id == bindparam("job_id"), ExecutorRun.status.in_(UNFINISHED_VALUES)
    )
)
_SAME: Final = select(ExecutorRun.id, ExecutorRun.status).where(
    ExecutorRun.job_id == bindparam("job_id"),
    ExecutorRun.log_id == bindparam("log_id"),
    ExecutorRun.log_date_time == bindparam("log_date_time"),
)
_HOLDER, _OLDER = aliased(ExecutorRun), aliased(ExecutorRun)
_UNFINISHED: Final = select(
    ExecutorRun.id,
    ExecutorRun.handler,
    ExecutorRun.status,
    ExecutorRun.shard_index,
    ExecutorRun.shard_total,
).where(ExecutorRun.job_id == bindparam("job_id"), ExecutorRun.status.in_(UNFINISHED_VALUES))


@dataclass(frozen=True)
class Accepted:
    """A trigger that has its row; ``is_queued`` if the queue should be told to look at it."""

    run_id: int
    is_queued: bool
    stopped: tuple[RunInfo, ...] = ()
    """Runs of the job that had to give way to it."""


def accept(
    session: Session, trigger: Trigger, *, resumable: bool, queue_limit: int, now: datetime
) -> Accepted:
    """Write the run of a trigger, once per (job_id, log_id, log_date_time).

    The same trigger again finds the same run; if that has ended, its result is sent once more.
    Triggers of one job come one after the other, whatever process they came to.

    :raises TriggerRefused: if the block strategy says so, or too many runs wait already
    """
    locks.take(session, locks.of_job(trigger.job_id), now)
    known = _find(session, trigger)
    if known is not None:
        run_id, status = known
        if status.is_ended:
            _deliver_again(session, run_id, now)
        return Accepted(run_id, status is RunStatus.QUEUED)
    stopped = _make_room(session, trigger, queue_limit, now)
    run_id = _insert(session, trigger, resumable=resumable, now=now)
    if observing.is_observed(session):
        observing.tell(session, session.get_one(ExecutorRun, run_id).info(), "accepted")
    return Accepted(run_id, is_queued=True, stopped=tuple(stopped))


def is_busy(session: Session, job_id: int) -> bool:
    """Whether the job has a run that is queued, running or deferred."""
    return bool(session.scalar(_IS_BUSY, {"job_id": job_id}))


def deferred(session: Session) -> list[RunInfo]:
    """The runs that wait for :func:`executor.finish`, oldest first."""
    statement = (
        select(ExecutorRun)
        .where(ExecutorRun.status == RunStatus.DEFERRED.value)
        .order_by(ExecutorRun.id)
    )
    return [run.info() for run in session.scalars(statement)]


def newest(session: Session, *, before: int | None, limit: int) -> list[RunInfo]:
    """Runs for a list, the newest first; ``before`` is the run id the last page ended with."""
    statement = select(ExecutorRun).order_by(ExecutorRun.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(ExecutorRun.id < before)
    return [run.info() for run in session.scalars(statement)]


def find(session: Session, run_id: int) -> RunInfo | None:
    """One run, or None."""
    run = session.get(ExecutorRun, run_id)
    return None if run is None else run.info()


def next_of_job(session: Session, job_id: int) -> Sequence[int]:
    """The queued runs of a job whose turn it is: one, or several parts of a broadcast."""
    return session.scalars(_startable().where(ExecutorRun.job_id == job_id)).all()


@dataclass(frozen=True)
class Unnoticed:
    """A startable run that nobody took since the queue was told of it."""

    run_id: int
    for_long: bool
    """Whether it should be told again by whoever does not know if the message is still there.

    That wait doubles with each offer: workers that are busy for hours must not find a heap of
    messages about one run."""


def unnoticed(session: Session, now: datetime) -> list[Unnoticed]:
    """Runs the queue was told of :data:`OFFER_AGAIN` ago or longer, and that nobody took."""
    statement = _startable().add_columns(ExecutorRun.queued_at, ExecutorRun.offered_at)
    found = session.execute(statement.where(ExecutorRun.offered_at <= now - OFFER_AGAIN))
    return [
        Unnoticed(run_id, now - offered_at >= min(offered_at - queued_at, OFFER_AGAIN_AT_MOST))
        for run_id, queued_at, offered_at in found
    ]


def mark_offered(session: Session, run_ids: list[int], now: datetime) -> None:
    """Remember that the queue is about to be told of these runs."""
    rows_changed(
        session, update(ExecutorRun).where(ExecutorRun.id.in_(run_ids)).values(offered_at=now)
    )


@cache
def _startable() -> Select[int]:
    """Queued runs that come before all others in whose way they stand, and that none holds up."""
    return select(ExecutorRun.id).where(
        ExecutorRun.status == RunStatus.QUEUED.value,
        ~exists().where(
            _OLDER.job_id == ExecutorRun.job_id,
            _OLDER.status == RunStatus.QUEUED.value,
            _OLDER.id < ExecutorRun.id,
            _excludes(_OLDER),
        ),
        ~exists().where(
            _HOLDER.job_id == ExecutorRun.job_id,
            _HOLDER.occupies_job_id.is_not(None),
            _excludes(_HOLDER),
        ),
    )


def _excludes(other: type[ExecutorRun]) -> ColumnElement[bool]:
    """Whether another run of the same job and this one may not run at the same time.

    Only different parts of a broadcast may.
    """
    return or_(
        other.shard_total <= 1,
        ExecutorRun.shard_total <= 1,
        other.shard_index == ExecutorRun.shard_index,
    )


def _find(session: Session, trigger: Trigger) -> tuple[int, RunStatus] | None:
    key = {
        "job_id": trigger.job_id,
        "log_id": trigger.log_id,
        "log_date_time": trigger.log_date_time,
    }
    row = session.connection().execute(_SAME, key).first()
    return None if row is None else (row.id, RunStatus(row.status))


def _make_room(
    session: Session, trigger: Trigger, queue_limit: int, now: datetime
) -> list[RunInfo]:
    """Java's order: another handler ends the job's runs, else the block strategy decides.

    The strategy is about the runs that stand in the trigger's way, on whatever host they are:
    the other parts of its broadcast do not.
    """
    job = {"job_id": trigger.job_id}
    unfinished = session.connection().execute(_UNFINISHED, job).all()
    if any(run.handler != trigger.handler for run in unfinished):
        return endings.stop_job(session, trigger.job_id, Cause.CHANGE, now)
    is_part = trigger.shard_total > 1
    ahead = [
        run
        for run in unfinished
        if not (is_part and run.shard_total > 1 and run.shard_index != trigger.shard_index)
    ]
    if ahead and trigger.block_strategy == texts.DISCARD_LATER:
        raise TriggerRefused(texts.DISCARDED)
    if ahead and trigger.block_strategy == texts.COVER_EARLY:
        return endings.stop_runs(session, [run.id for run in ahead], Cause.COVER, now)
    if sum(run.status == RunStatus.QUEUED for run in ahead) >= queue_limit:
        raise TriggerRefused(texts.queue_full(trigger.job_id, queue_limit))
    return []


def _insert(session: Session, trigger: Trigger, *, resumable: bool, now: datetime) -> int:
    # Past the session's bookkeeping, which costs more than the row.
    result = session.connection().execute(
        insert(ExecutorRun.__table__),  # type: ignore[arg-type] # a mapped class has a Table
        {
            "job_id": trigger.job_id,
            "log_id": trigger.log_id,
            "log_date_time": trigger.log_date_time,
            "dialect": trigger.dialect.value,
            "handler": trigger.handler,
            "params": trigger.params,
            "timeout_seconds": trigger.timeout_seconds,
            "shard_index": trigger.shard_index,
            "shard_total": trigger.shard_total,
            "resumable": resumable,
            "queued_at": now,
            "offered_at": now,
        },
    )
    [run_id] = cast("tuple[int]", result.inserted_primary_key)
    return run_id


def _deliver_again(session: Session, run_id: int, now: datetime) -> None:
    # One that waits for its turn is sent anyway; one on its way may have arrived before this.
    rows_changed(
        session,
        update(ExecutorRun)
        .where(
            ExecutorRun.id == run_id,
            or_(ExecutorRun.next_delivery_at.is_(None), ExecutorRun.delivering_until > now),
        )
        .values(next_delivery_at=now),
    )
