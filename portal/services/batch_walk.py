"""The documents before and behind one in the list of a batch, under that list's filters."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.models import Batch, BatchItem, Document, Slice
from portal.services.archive_list import Neighbours
from portal.statuses import ItemStatus


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """What the list of a batch's documents is narrowed to; empty means all."""

    status: ItemStatus | None = None
    month: str = ""
    code: str = ""
    image_no: str = ""


def neighbours(
    session: Session, batch_no: str, wanted: BatchFilter, document_id: int
) -> Neighbours | None:
    """In the order in which they were listed; None where the batch does not hold the document."""
    query = (
        select(BatchItem.id, BatchItem.batch_id)
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(Batch.batch_no == batch_no, Batch.deleted_at.is_(None))
        .where(BatchItem.document_id == document_id)
    )
    here = session.execute(query).one_or_none()
    if here is None:
        return None
    listed = _listed(here.batch_id, wanted)
    before = listed.where(BatchItem.id < here.id).order_by(BatchItem.id.desc()).limit(1)
    after = listed.where(BatchItem.id > here.id).order_by(BatchItem.id).limit(1)
    return Neighbours(session.scalar(before), session.scalar(after))


def _listed(batch_id: int, wanted: BatchFilter) -> Select[int]:
    query = select(BatchItem.document_id).where(BatchItem.batch_id == batch_id)
    if wanted.status is not None:
        query = query.where(BatchItem.status == wanted.status)
    if wanted.code:
        query = query.where(BatchItem.error_code == wanted.code)
    if wanted.month:
        query = query.join(Slice, Slice.id == BatchItem.slice_id).where(Slice.month == wanted.month)
    if wanted.image_no:
        query = query.join(Document, Document.id == BatchItem.document_id)
        query = query.where(Document.image_no.startswith(wanted.image_no, autoescape=True))
    return query
