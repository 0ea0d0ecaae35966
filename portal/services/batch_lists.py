"""The list of 迁移批次: which batches, in which order, and how many of each outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload

from portal.models import Batch
from portal.services import paging
from portal.services.paging import Column, Leaf, Place
from portal.statuses import RunStatus, SyncStatus


class Overview(StrEnum):
    """迁移状态: the manual's overview words, and those that have not begun."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


# One of these is true of every batch.
OVERVIEWS: Mapping[Overview, ColumnElement[bool]] = {
    Overview.RUNNING: Batch.run_status == RunStatus.RUNNING,
    Overview.SUCCEEDED: and_(
        Batch.run_status == RunStatus.ENDED, Batch.sync_status == SyncStatus.COMPLETE
    ),
    Overview.FAILED: and_(
        Batch.run_status == RunStatus.ENDED, Batch.sync_status != SyncStatus.COMPLETE
    ),
    Overview.WAITING: Batch.run_status == RunStatus.WAITING,
}
SORTS: Mapping[str, Column] = {
    "id": Batch.id,
    "date_from": Batch.date_from,
    "date_to": Batch.date_to,
    "total": Batch.total,
    "done": Batch.done,
    "not_done": Batch.not_done,
    "failed": Batch.failed,
    "created_at": Batch.created_at,
}


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """What to show; empty means all. The days are inclusive."""

    number: str = ""
    """Any part of the batch number."""
    creator: str = ""
    """Any part of the name of who created it."""
    sync: SyncStatus | None = None
    run: RunStatus | None = None
    overview: Overview | None = None
    source_id: int | None = None
    org: str = ""
    """A code; a batch of all organisations is one of this organisation too. So with the type."""
    bill_type: str = ""
    first: date | None = None
    """With ``last``: days of collection, at least one of which the batch covers."""
    last: date | None = None
    created_first: date | None = None
    created_last: date | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many batches the filter lets through, by their overview words.

    ``chosen`` are those of the filter's own word, ``newest`` the highest id of them, and ``newer``
    how many of them came after a page was made.
    """

    overviews: Mapping[Overview, int]
    chosen: int
    newest: int
    newer: int

    @property
    def total(self) -> int:
        """All, whatever their word."""
        return sum(self.overviews.values())


def newest(session: Session, *, limit: int) -> Sequence[Batch]:
    """Batches with their source, newest first."""
    return session.scalars(_batches().order_by(Batch.id.desc()).limit(limit)).all()


def batches_by_id(session: Session, ids: Sequence[int]) -> Sequence[Batch]:
    """The named batches, for the rows of a list that are still moving."""
    return session.scalars(_batches().where(Batch.id.in_(ids))).all()


def batch_page(
    session: Session, wanted: BatchFilter, place: Place, *, zone: ZoneInfo
) -> Leaf[Batch]:
    """Batches with their source, sorted by one of :data:`SORTS`."""
    query = _batches().where(*_conditions(wanted, zone), _word(wanted))
    return paging.read(session, query, place, columns=SORTS, row_id=Batch.id)


def tally(
    session: Session, wanted: BatchFilter, *, zone: ZoneInfo, newer_than: int | None = None
) -> Tally:
    """Count what the filter lets through, in one query."""
    word = _word(wanted)
    newer = word if newer_than is None else and_(word, Batch.id > newer_than)
    query = select(
        *(_how_many(condition) for condition in OVERVIEWS.values()),
        _how_many(word),
        func.coalesce(func.max(case((word, Batch.id))), 0),
        _how_many(newer),
    ).where(Batch.deleted_at.is_(None), *_conditions(wanted, zone))
    *counts, chosen, highest, came = (int(value) for value in session.execute(query).one())
    return Tally(
        overviews=dict(zip(OVERVIEWS, counts, strict=True)),
        chosen=chosen,
        newest=highest,
        newer=0 if newer_than is None else came,
    )


def matching_numbers(
    session: Session, wanted: BatchFilter, *, zone: ZoneInfo, up_to: int
) -> Sequence[str]:
    """The numbers of the batches the filter lets through, up to the id ``up_to``."""
    query = select(Batch.batch_no).where(
        Batch.deleted_at.is_(None), Batch.id <= up_to, *_conditions(wanted, zone), _word(wanted)
    )
    return session.scalars(query.order_by(Batch.id.desc())).all()


def _batches() -> Select[Batch]:
    return select(Batch).options(joinedload(Batch.data_source)).where(Batch.deleted_at.is_(None))


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _word(wanted: BatchFilter) -> ColumnElement[bool]:
    return true() if wanted.overview is None else OVERVIEWS[wanted.overview]


def _conditions(wanted: BatchFilter, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    """All of the filter but its overview word."""
    found: list[ColumnElement[bool]] = []
    if wanted.number:
        found.append(Batch.batch_no.icontains(wanted.number, autoescape=True))
    if wanted.creator:
        found.append(Batch.created_by.icontains(wanted.creator, autoescape=True))
    if wanted.sync is not None:
        found.append(Batch.sync_status == wanted.sync)
    if wanted.run is not None:
        found.append(Batch.run_status == wanted.run)
    if wanted.source_id is not None:
        found.append(Batch.data_source_id == wanted.source_id)
    if wanted.org:
        found.append(_covers(Batch.org_codes, wanted.org))
    if wanted.bill_type:
        found.append(_covers(Batch.bill_type_codes, wanted.bill_type))
    if wanted.first is not None:
        found.append(Batch.date_to >= wanted.first)
    if wanted.last is not None:
        found.append(Batch.date_from <= wanted.last)
    if wanted.created_first is not None:
        found.append(Batch.created_at >= _midnight(wanted.created_first, zone))
    if wanted.created_last is not None:
        after = wanted.created_last + timedelta(days=1)
        found.append(Batch.created_at < _midnight(after, zone))
    return found


def _covers(codes: InstrumentedAttribute[list[str]], code: str) -> ColumnElement[bool]:
    """Whether a list of codes holds this one, or all by being empty.

    The lists are kept as JSON, which every database gives as the text that was written.
    """
    text = cast(codes, Text)
    quoted: Any = json.dumps(code)
    return or_(text == "[]", text.icontains(quoted, autoescape=True))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
