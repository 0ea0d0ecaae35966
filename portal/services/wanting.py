"""What 文件下载 asks of the engine: documents to be claimed first, in batches that wait, too.

An item is wanted while the chore in its ``wanted_by`` is unfinished: with the chore's end, or its
cancelling by a person, the wish is over, and nothing has to be cleaned up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from portal.models import Batch, BatchItem, Chore, Document, Hold
from portal.services.leases import DEFERRED
from portal.statuses import ChoreStatus, ItemStatus, RunStatus

KIND = "fetch"


def unfinished(session: Session) -> Sequence[int]:
    """The chores of 文件下载 that are under way; nearly always none."""
    query = select(Chore.id).where(
        Chore.status.in_([ChoreStatus.WAITING, ChoreStatus.RUNNING]), Chore.kind == KIND
    )
    return session.scalars(query).all()


def wanted_in(batch_id: int, chores: Sequence[int]) -> list[ColumnElement[bool]]:
    """Conditions of the items of a batch that these chores want, for the index made for it."""
    # The sum keeps databases without statistics from choosing the index of all that is due.
    return [BatchItem.wanted_by.in_(chores), BatchItem.batch_id + 0 == batch_id]


def waiting_batches(session: Session, now: datetime) -> Sequence[int]:
    """Batches that wait, with a document in them that is wanted and due."""
    chores = unfinished(session)
    if not chores:
        return ()
    due = exists().where(
        BatchItem.wanted_by.in_(chores),
        BatchItem.batch_id == Batch.id,
        BatchItem.status == ItemStatus.PENDING,
        _is_due(now),
    )
    query = select(Batch.id).where(
        Batch.run_status == RunStatus.WAITING, Batch.deleted_at.is_(None), due
    )
    return session.scalars(query).all()


def is_due(session: Session, batch_id: int, now: datetime) -> bool:
    """Whether a document of the batch is wanted and due."""
    chores = unfinished(session)
    if not chores:
        return False
    query = select(BatchItem.id).where(
        *wanted_in(batch_id, chores),
        BatchItem.status == ItemStatus.PENDING,
        _is_due(now),
    )
    return session.scalar(query.limit(1)) is not None


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Due, or deferred with its organisation, whose hold is to be probed."""
    probed = exists().where(
        Hold.key.is_not(None),
        Hold.batch_id == BatchItem.batch_id,
        Hold.probe_at <= now,
        Hold.org_code == Document.org_code,
        Document.id == BatchItem.document_id,
    )
    return or_(BatchItem.next_try_at <= now, and_(BatchItem.next_try_at >= DEFERRED, probed))
