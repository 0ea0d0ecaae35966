"""影像单据列表: how many documents the same filter finds, their files, bytes and amounts.

Every document is looked at, so it takes longer than a page: it has its own request, its own time
limit and says when it ended.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Lock

from sqlalchemy import BigInteger, Row, cast, func, select
from sqlalchemy.orm import Session

from portal.models import Document, utc_now
from portal.services.archive_filters import ArchiveFilter, search

#: Documents that are summed up in one statement; between two the clock is looked at.
_STEP = 50_000
_KEPT = timedelta(minutes=1)
_LONG_SECONDS = 0.5
_MOST_KEPT = 50


@dataclass(frozen=True, slots=True)
class ArchiveTotals:
    """Sums over the documents of a filter, at ``at``.

    ``amount`` is over those that have one, ``with_amount`` of them. ``is_whole`` is false when the
    time was over before all were looked at: the numbers are then of a part of them.
    """

    documents: int = 0
    files: int = 0
    bytes: int = 0
    amount: Decimal = Decimal()
    with_amount: int = 0
    is_whole: bool = True
    at: datetime | None = None
    seconds: float = 0.0


def archive_totals(session: Session, wanted: ArchiveFilter, *, seconds: float) -> ArchiveTotals:
    """Sum up, for at most about so many seconds."""
    started = time.monotonic()
    way = search(session, wanted)
    query = select(
        func.count(),
        func.coalesce(func.sum(Document.stored_files), 0),
        func.coalesce(func.sum(Document.stored_bytes), 0),
        # In whole cents: SQLite keeps amounts as binary fractions.
        func.coalesce(func.sum(cast(func.round(Document.amount * 100), BigInteger)), 0),
        func.count(Document.amount),
    ).where(*way.all())
    if way.few is not None:
        return _ended(_sum(session.execute(query).one()), started)
    totals = ArchiveTotals()
    last = session.scalar(select(func.max(Document.id))) or 0
    for low in range(0, last, _STEP):
        if time.monotonic() - started > seconds:
            return _ended(replace(totals, is_whole=False), started)
        part = query.where(Document.id > low, Document.id <= low + _STEP)
        totals = _plus(totals, _sum(session.execute(part).one()))
    return _ended(totals, started)


def unarchived(session: Session, wanted: ArchiveFilter) -> int:
    """Documents in the same range that were listed and are not archived.

    Only range, source, organisation and type are looked at, which the source can count too.
    """
    query = select(func.count()).where(Document.archived_at.is_(None))
    for column, value in (
        (Document.data_source_id, wanted.source_id),
        (Document.org_code, wanted.org),
        (Document.bill_type_code, wanted.bill_type),
    ):
        if value:
            query = query.where(column == value)
    if wanted.starts_at is not None:
        query = query.where(Document.collected_at >= wanted.starts_at)
    if wanted.ends_at is not None:
        query = query.where(Document.collected_at < wanted.ends_at)
    return session.scalar(query) or 0


def _sum(row: Row[int, int, int, int, int]) -> ArchiveTotals:
    documents, files, size, cents, with_amount = (int(value) for value in row)
    return ArchiveTotals(documents, files, size, Decimal(cents) / 100, with_amount)


def _plus(one: ArchiveTotals, other: ArchiveTotals) -> ArchiveTotals:
    return ArchiveTotals(
        one.documents + other.documents,
        one.files + other.files,
        one.bytes + other.bytes,
        one.amount + other.amount,
        one.with_amount + other.with_amount,
    )


def _ended(totals: ArchiveTotals, started: float) -> ArchiveTotals:
    return replace(totals, at=utc_now(), seconds=time.monotonic() - started)


class KeptTotals:
    """Totals that took long, kept for a minute: people page through what they have filtered.

    Each process keeps its own. Safe to be used by many threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[ArchiveFilter, ArchiveTotals] = OrderedDict()

    def totals(self, session: Session, wanted: ArchiveFilter, *, seconds: float) -> ArchiveTotals:
        """As :func:`archive_totals`, or what it said within the last minute if that took long."""
        with self._lock:
            kept = self._kept.get(wanted)
        if kept is not None and kept.at is not None and utc_now() - kept.at < _KEPT:
            return kept
        found = archive_totals(session, wanted, seconds=seconds)
        if found.seconds > _LONG_SECONDS:
            with self._lock:
                self._kept[wanted] = found
                self._kept.move_to_end(wanted)
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return found
