"""运行历史: noting when a batch's runs begin and how they end, and reading that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.models import Batch, BatchRun, JobBatch, RunOutcome
from portal.services import paging
from portal.services.paging import Leaf, Place


@dataclass(frozen=True, slots=True)
class JobOrigin:
    """The run of DataSyncTask that starts a batch: the executor's own id, and the admin's."""

    run_id: int
    log_id: int


def begin(
    session: Session,
    batch: Batch,
    *,
    by: str,
    now: datetime,
    job: JobOrigin | None = None,
    retried: int | None = None,
    narrowed: Mapping[str, Any] | None = None,
) -> None:
    """Note that the batch's run ``run_no`` begins now."""
    session.add(
        BatchRun(
            batch_id=batch.id,
            run_no=batch.run_no,
            started_at=now,
            started_by=by,
            job_run_id=job.run_id if job else None,
            job_log_id=job.log_id if job else None,
            retried=retried,
            narrowed=dict(narrowed) if narrowed else None,
        )
    )


def end(session: Session, batch: Batch, outcome: RunOutcome, *, by: str, now: datetime) -> None:
    """Note how the run ended that is under way, if one is; the batch's counts are its result."""
    session.flush()
    session.execute(
        update(BatchRun)
        .where(
            BatchRun.batch_id == batch.id,
            BatchRun.run_no == batch.run_no,
            BatchRun.ended_at.is_(None),
        )
        .values(
            ended_at=now,
            ended_by=by,
            outcome=outcome,
            sync_status=batch.sync_status,
            total=batch.total,
            done=batch.done,
            failed=batch.failed,
        )
        .execution_options(synchronize_session=False)
    )


def history(session: Session, batch_id: int, place: Place) -> Leaf[BatchRun]:
    """Runs of a batch at a place of the list, which is sorted by ``run``."""
    query = select(BatchRun).where(BatchRun.batch_id == batch_id)
    return paging.read(
        session, query, place, columns={"run": BatchRun.run_no}, row_id=BatchRun.run_no
    )


def newest(session: Session, batch_id: int, *, limit: int) -> Sequence[BatchRun]:
    """The newest runs of a batch, the newest first."""
    return history(session, batch_id, Place("run", descending=True, size=limit)).rows


def forget_job(session: Session, run_id: int) -> None:
    """The executor forgets its run: what it started keeps the admin's number alone."""
    session.execute(
        update(BatchRun)
        .where(
            BatchRun.batch_id.in_(select(JobBatch.batch_id).where(JobBatch.run_id == run_id)),
            BatchRun.job_run_id == run_id,
        )
        .values(job_run_id=None)
        .execution_options(synchronize_session=False)
    )
