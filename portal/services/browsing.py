"""Reading for pages: bounded, keyset-paged, no counting of items."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, joinedload

from portal.errors import NotFound
from portal.models import (
    AuditEvent,
    Batch,
    DataSource,
    Worker,
)
from portal.services import paging
from portal.services.leases import is_alive
from portal.services.paging import Leaf, Place
from portal.statuses import RunStatus

PAGE = 50


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all batches that are not deleted, and the workers there are."""

    batches: int
    running: int
    total: int
    synced: int
    skipped: int
    failed: int
    bytes: int
    workers: int


def totals(session: Session, *, now: datetime) -> Totals:
    """The overview's numbers, from the batches' counts, in one query."""
    is_running = case((Batch.run_status == RunStatus.RUNNING, 1), else_=0)
    running = func.coalesce(func.sum(is_running), 0)
    query = select(
        func.count(),
        running,
        *(
            func.coalesce(func.sum(column), 0)
            for column in (
                Batch.total,
                Batch.synced,
                Batch.skipped,
                Batch.failed,
                Batch.stored_bytes,
            )
        ),
        select(func.count()).select_from(Worker).where(is_alive(now)).scalar_subquery(),
    ).where(Batch.deleted_at.is_(None))
    return Totals(*(int(value) for value in session.execute(query).one()))


def batch_page(session: Session, batch_no: str) -> Batch:
    """A batch with its source, months, holds and throughput in one query, without locking it.

    :raises NotFound: when there is none or it was deleted
    """
    query = (
        select(Batch)
        .options(
            joinedload(Batch.data_source).joinedload(DataSource.level),
            joinedload(Batch.slices),
            joinedload(Batch.holds),
            joinedload(Batch.throughput),
        )
        .where(Batch.batch_no == batch_no, Batch.deleted_at.is_(None))
    )
    batch = session.scalars(query).unique().one_or_none()
    if batch is None:
        raise NotFound(f"没有批次 {batch_no}", f"there is no batch {batch_no}")
    return batch


def batch_events(session: Session, batch_id: int, place: Place) -> Leaf[AuditEvent]:
    """What was done with a batch, sorted by ``id``; its documents' own changes are left out."""
    query = select(AuditEvent).where(
        AuditEvent.batch_id == batch_id, AuditEvent.document_id.is_(None)
    )
    return paging.read(session, query, place, columns={"id": AuditEvent.id}, row_id=AuditEvent.id)
