"""A process takes a run, keeps it by renewing a lease, and gives it back.

A claim is a number: each one of a run is higher than the last, and what an older claim does
afterwards has no effect.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from . import changes, logs, runs
from .ledger import savepoint
from .models import ExecutorRun, RunInfo, place_of
from .protocol import texts
from .statuses import Cause, RunStatus

LEASE: Final = timedelta(seconds=30)


def claim(session: Session, run_id: int, *, worker: str, now: datetime) -> RunInfo | None:
    """Take a queued run for execution, or None when it is not its turn or somebody has it."""
    run = changes.load(session, run_id)
    if run is None or run_id not in runs.next_of_job(session, run.job_id):
        return None
    started_at = run.started_at or now
    deadline_at = started_at + timedelta(seconds=run.timeout_seconds)
    try:
        with savepoint(session):
            won = changes.move(
                session,
                run,
                RunStatus.RUNNING,
                started_at=started_at,
                deadline_at=deadline_at if run.timeout_seconds else None,
                claims=run.claims + 1,
                worker=worker,
                lease_expires_at=now + LEASE,
                occupies_job_id=place_of(run.job_id, run.shard_index, run.shard_total),
            )
    except IntegrityError:
        return None  # another run of the job got its place between the look and the change
    if not won:
        return None
    shard = f"shard {run.shard_index} of {run.shard_total}"
    logs.append(session, run_id, f"job execute start: {run.handler}, {shard}", now=now)
    logs.append(session, run_id, f"param: {run.params}", now=now)
    return run.info()


def renew(session: Session, taken: RunInfo, *, now: datetime) -> bool:
    """Prolong the lease; False when the claim is no longer the newest or was given back."""
    return _update_claimed(session, taken, lease_expires_at=now + LEASE)


def is_current(session: Session, taken: RunInfo) -> bool:
    """Whether the run is still to be executed under this claim."""
    found = session.execute(
        select(ExecutorRun.status, ExecutorRun.claims).where(ExecutorRun.id == taken.run_id)
    ).first()
    return found is not None and found == (RunStatus.RUNNING.value, taken.claim)


def was_stopped(session: Session, taken: RunInfo) -> bool:
    """Whether the handler works for nothing: its run ended from outside, or is another's now."""
    found = session.execute(
        select(ExecutorRun.claims, ExecutorRun.cause).where(ExecutorRun.id == taken.run_id)
    ).first()
    if found is None or found.claims != taken.claim:
        return True
    return found.cause not in (None, Cause.HANDLER.value)


def hold(session: Session, known: RunInfo) -> bool:
    """Whether the run is still in the state and under the claim that ``known`` says.

    Its row is locked until the transaction ends where the database can: a kill or a timeout
    comes before it and makes this False, or waits and then sees what the transaction wrote.
    """
    run = session.get(ExecutorRun, known.run_id, with_for_update=True, populate_existing=True)
    return run is not None and (run.status, run.claims) == (known.status.value, known.claim)


def complete(
    session: Session,
    taken: RunInfo,
    *,
    code: int,
    message: str,
    now: datetime,
    cause: Cause = Cause.HANDLER,
) -> None:
    """Record the handler's result and give the job free.

    A run that was killed, timed out or finished meanwhile keeps that end; of a run that somebody
    else has claimed since, nothing changes at all.
    """
    if not _give_back(session, taken, occupies_job_id=None):
        return
    run = changes.load(session, taken.run_id)
    if run is not None and run.status == RunStatus.RUNNING:
        status = RunStatus.SUCCEEDED if code == texts.OK else RunStatus.FAILED
        changes.end(session, run, status, cause=cause, code=code, message=message, now=now)


def defer(session: Session, taken: RunInfo, *, now: datetime) -> None:
    """Let the run wait for its end without a process; the job stays occupied until then.

    A run that ended while its handler was returning stays ended and the job is given free.
    """
    if not _give_back(session, taken):
        return
    run = changes.load(session, taken.run_id)
    if run is not None and run.status == RunStatus.RUNNING:
        changes.move(session, run, RunStatus.DEFERRED)
        logs.append(session, run.id, "deferred: ends when its work has ended", now=now)
    elif run is not None:
        run.occupies_job_id = None


def dead(session: Session, now: datetime) -> list[int]:
    """Runs whose process has not renewed the lease in time."""
    return list(session.scalars(select(ExecutorRun.id).where(ExecutorRun.lease_expires_at <= now)))


def held_by(session: Session, worker: str) -> list[int]:
    """Runs whose lease is a worker's of that name."""
    statement = select(ExecutorRun.id).where(
        ExecutorRun.lease_expires_at.is_not(None), ExecutorRun.worker == worker
    )
    return list(session.scalars(statement))


def reap(
    session: Session, run_id: int, now: datetime, *, of_worker: str | None = None
) -> int | None:
    """Take a run back from a dead process; returns the job that is free now.

    A resumable run is queued again, any other ends with 500; one that was killed or timed out
    before only stops occupying its job. None when the process turned out to be alive.

    :param of_worker: known to be dead, so that its lease need not have run out
    """
    run = changes.load(session, run_id)
    if run is None or run.lease_expires_at is None:
        return None
    if run.lease_expires_at > now and (of_worker is None or run.worker != of_worker):
        return None
    taken = run.info()
    if taken.status is RunStatus.RUNNING and run.resumable:
        changes.move(session, run, RunStatus.QUEUED, lease_expires_at=None, occupies_job_id=None)
        logs.append(session, run_id, "the process died; the run starts again", now=now)
    else:
        complete(
            session,
            taken,
            code=texts.FAIL,
            message=texts.RESTARTED,
            now=now,
            cause=Cause.RESTART,
        )
    return run.job_id


def _give_back(session: Session, taken: RunInfo, **values: int | None) -> bool:
    return _update_claimed(session, taken, lease_expires_at=None, **values)


def _update_claimed(session: Session, taken: RunInfo, **values: int | datetime | None) -> bool:
    statement = (
        update(ExecutorRun)
        .where(
            ExecutorRun.id == taken.run_id,
            ExecutorRun.claims == taken.claim,
            ExecutorRun.lease_expires_at.is_not(None),
        )
        .values(**values)
    )
    return changes.rows_changed(session, statement) == 1
