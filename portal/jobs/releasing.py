"""What becomes of the batches of a DataSyncTask run that was ended from outside, or forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from executor import RunInfo
from executor.changes import UNFINISHED_VALUES
from executor.models import ExecutorRun
from executor.statuses import Cause
from portal.jobs.data_sync import ACTOR
from portal.models import Batch, JobBatch, utc_now
from portal.services import batches, runs
from portal.statuses import RunStatus


def release_batches(session: Session, run: RunInfo, cause: Cause) -> None:
    """A kill pauses the run's batches, a timeout or a later trigger gives them back.

    A batch that another unfinished run waits for as well goes on.
    """
    for batch in _locked_batches(session, run.run_id):
        if batch.run_status is not RunStatus.RUNNING or _is_followed(session, batch.id):
            continue
        now = run.ended_at or utc_now()
        if cause is Cause.KILL:
            batches.pause(session, batch, by=f"{ACTOR} kill", now=now)
        else:
            batches.give_back(session, batch, by=f"{ACTOR} {cause}", now=now)


def forget_run(session: Session, run_id: int) -> None:
    """Delete what the portal knows of a run that is too old to be kept."""
    runs.forget_job(session, run_id)
    session.execute(delete(JobBatch).where(JobBatch.run_id == run_id))


def _locked_batches(session: Session, run_id: int) -> Sequence[Batch]:
    mine = select(JobBatch.batch_id).where(JobBatch.run_id == run_id)
    query = select(Batch).where(Batch.id.in_(mine)).order_by(Batch.id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).all()


def _is_followed(session: Session, batch_id: int) -> bool:
    """Whether an unfinished run waits for the batch; the ended one no longer counts as such.

    Asked with the batch locked: of two runs that end at once, the second sees the first's end.
    """
    follower = exists().where(
        JobBatch.batch_id == batch_id,
        ExecutorRun.id == JobBatch.run_id,
        ExecutorRun.status.in_(UNFINISHED_VALUES),
    )
    return bool(session.scalar(select(follower)))
