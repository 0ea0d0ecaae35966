"""When a batch has ended: every month listed and every document decided."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal import statuses
from portal.models import Batch, RunOutcome, Slice
from portal.services import audit, holds, notices, runs
from portal.statuses import ListingStatus, RunStatus

_UNLISTED = (ListingStatus.WAITING, ListingStatus.OPEN)


def end_if_settled(session: Session, batch_id: int, *, by: str, now: datetime) -> bool:
    """End the batch if nothing is left to do; call it after every change that may be the last.

    The batch's row is locked first, so that of two workers that settle the last things together
    the second one sees what the first one did.
    """
    session.flush()
    batch = session.get_one(Batch, batch_id, populate_existing=True, with_for_update=True)
    if batch.run_status is not RunStatus.RUNNING:
        return False
    unsettled = select(Slice.id).where(
        Slice.batch_id == batch_id,
        or_(
            Slice.listing_status.in_(_UNLISTED),
            Slice.total > Slice.synced + Slice.skipped + Slice.failed,
        ),
    )
    if session.scalar(unsettled.limit(1)) is not None:
        return False
    # Either way there are documents at the source that the counts know nothing of.
    unlisted = select(Slice.id).where(
        Slice.batch_id == batch_id,
        or_(Slice.listing_status == ListingStatus.FAILED, Slice.is_short),
    )
    statuses.check(batch.run_status, RunStatus.ENDED)
    batch.run_status = RunStatus.ENDED
    batch.ended_at = now
    batch.listing_failed = session.scalar(unlisted.limit(1)) is not None
    runs.end(session, batch, RunOutcome.ENDED, by=by, now=now)
    holds.drop(session, batch_id, now=now)
    audit.record(
        session,
        "batch.end",
        by=by,
        at=now,
        batch_id=batch_id,
        old=RunStatus.RUNNING,
        new=RunStatus.ENDED,
        reason=batch.sync_status,
        detail={"total": batch.total, "done": batch.done, "failed": batch.failed},
    )
    notices.tell_of_end(session, batch, now=now)
    return True
