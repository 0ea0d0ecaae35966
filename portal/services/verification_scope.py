"""Which documents a verification looks at, in the order of their ids, and which of them by chance.

A sample of exactly n of N is chosen in one pass without remembering anything (Knuth, algorithm S):
the k-th document is taken with the chance (n still wanted) / (N still to come). The chance comes
from the seed and k alone, so a resumed or repeated run chooses the same.
"""

from __future__ import annotations

import hashlib
import math
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.models import Batch, BatchItem, Document, DocumentVersion, Verification
from portal.services.months import MonthRange, months_between
from portal.statuses import ItemStatus


def documents_after(run: Verification, last: int, limit: int, zone: ZoneInfo) -> Select[int]:
    """Ids of the documents the run is about, behind ``last``.

    A batch's are those it holds as synced or skipped, wherever they came from.
    """
    documents = _documents(run, zone)
    return documents.where(_id(run) > last).order_by(_id(run)).limit(limit)


def versions_after(run: Verification, last: int, limit: int) -> Select[int]:
    """Ids of earlier versions behind ``last``."""
    query = select(DocumentVersion.id).where(DocumentVersion.id > last, *_version_part(run))
    return query.order_by(DocumentVersion.id).limit(limit)


def count_documents(session: Session, run: Verification, zone: ZoneInfo) -> int:
    """How many documents the run is about, before any choice by chance."""
    return session.scalar(_documents(run, zone).with_only_columns(func.count())) or 0


def count_batches(session: Session, run: Verification) -> int:
    """How many batches' counts are to be recomputed."""
    query = select(func.count()).select_from(Batch)
    if run.batch_id is not None:
        query = query.where(Batch.id == run.batch_id)
    return session.scalar(query) or 0


def count_versions(session: Session, run: Verification) -> int:
    """How many earlier versions there are."""
    query = select(func.count()).select_from(DocumentVersion).where(*_version_part(run))
    return session.scalar(query) or 0


def sample_size(run: Verification) -> int:
    """How many documents are read: all, or the percentage, and at least one of any."""
    if run.percent is None:
        return run.population
    return math.ceil(run.population * run.percent / 100)


def is_chosen(run: Verification, position: int, chosen: int) -> bool:
    """Whether the document at ``position`` (from 0) is read, after ``chosen`` others were.

    Documents that came after the run was begun are not part of what it chooses from.
    """
    if run.percent is None:
        return True
    digest = hashlib.sha256(f"{run.seed}:{position}".encode()).digest()
    chance = int.from_bytes(digest[:8]) / 2**64
    return chance * (run.population - position) < sample_size(run) - chosen


def month_range(month: str, zone: ZoneInfo) -> MonthRange:
    """The instants of a calendar month.

    :raises ValueError: when it is none
    """
    first = date.fromisoformat(f"{month}-01")
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return next(months_between(first, last, zone))


def _id(run: Verification) -> InstrumentedAttribute[int]:
    """The column whose index gives the documents in order: of a batch, its items'."""
    return Document.id if run.batch_id is None else BatchItem.document_id


def _documents(run: Verification, zone: ZoneInfo) -> Select[int]:
    query = select(_id(run)).where(Document.archived_at.is_not(None))
    if run.batch_id is not None:
        query = query.join(Document, Document.id == BatchItem.document_id).where(
            BatchItem.batch_id == run.batch_id,
            BatchItem.status.in_([ItemStatus.SYNCED, ItemStatus.SKIPPED]),
        )
    if run.data_source_id is not None:
        query = query.where(Document.data_source_id == run.data_source_id)
    if run.month is not None:
        month = month_range(run.month, zone)
        query = query.where(
            Document.collected_at >= month.starts_at, Document.collected_at < month.ends_at
        )
    if run.part_no is not None and run.part_total is not None:
        query = query.where(Document.id % run.part_total == run.part_no - 1)
    return query


def _version_part(run: Verification) -> list[ColumnElement[bool]]:
    if run.part_no is None or run.part_total is None:
        return []
    return [DocumentVersion.document_id % run.part_total == run.part_no - 1]
