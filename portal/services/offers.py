"""What the queue should be told to look at, asked from the ledger."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from portal.models import Batch, BatchItem, Slice
from portal.statuses import ItemStatus, ListingStatus, RunStatus


def batches_with_due_work(session: Session, now: datetime) -> list[int]:
    """Running batches in which a document or a listing is due, the oldest first."""
    due_item = exists().where(
        BatchItem.batch_id == Batch.id,
        BatchItem.status == ItemStatus.PENDING,
        BatchItem.next_try_at <= now,
    )
    due_slice = exists().where(
        Slice.batch_id == Batch.id,
        Slice.listing_status == ListingStatus.OPEN,
        Slice.next_try_at <= now,
    )
    query = (
        select(Batch.id)
        .where(and_(Batch.run_status == RunStatus.RUNNING, or_(due_item, due_slice)))
        .order_by(Batch.id)
    )
    return list(session.scalars(query))
