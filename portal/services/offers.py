"""What the queue should be told to look at, asked from the ledger."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from portal.models import Batch, BatchItem, Priority, Slice
from portal.services import gates, wanting
from portal.statuses import ItemStatus, ListingStatus, RunStatus


def batches_with_due_work(session: Session, now: datetime, zone: ZoneInfo) -> dict[int, Priority]:
    """Running batches in which a document, a listing or a probe is due, the oldest first.

    And waiting ones in which a document is due that 文件下载 wants.

    :param zone: the time zone that people's windows are meant in
    """
    closed = gates.closed_sources(session, now, zone)
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
    held = gates.held_batches(session, now)
    probed = Batch.id.in_(gates.probed_batches(session, now))
    query = (
        select(Batch.id, Batch.priority)
        .where(
            Batch.data_source_id.not_in(closed),
            or_(
                and_(
                    Batch.run_status == RunStatus.RUNNING,
                    or_(and_(or_(due_item, due_slice), Batch.id.not_in(held)), probed),
                ),
                and_(
                    Batch.id.in_(wanting.waiting_batches(session, now)),
                    or_(Batch.id.not_in(held), probed),
                ),
            ),
        )
        .order_by(Batch.id)
    )
    return {row.id: row.priority for row in session.execute(query)}
