"""Reading the trail for its page: filters, newest first, keyset-paged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from portal.models import AuditEvent, Batch
from portal.services import paging
from portal.services.paging import Leaf, Place


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """What to show; empty means all. The days are inclusive."""

    actor: str = ""
    """How the name of who did it begins."""
    action: str = ""
    batch_no: str = ""
    first: date | None = None
    last: date | None = None
    documents: bool = False
    """Whether events of single documents are shown too; they are nearly all there are."""


def trail_page(
    session: Session, wanted: TrailFilter, place: Place, *, zone: ZoneInfo
) -> Leaf[AuditEvent]:
    """Events at a place of the trail, which is sorted by ``id``."""
    query = select(AuditEvent).where(*conditions(wanted, zone))
    return paging.read(session, query, place, columns={"id": AuditEvent.id}, row_id=AuditEvent.id)


def conditions(wanted: TrailFilter, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    """What the filter asks of events."""
    found: list[ColumnElement[bool]] = []
    if wanted.actor:
        found.append(AuditEvent.actor.startswith(wanted.actor, autoescape=True))
    if wanted.action:
        found.append(AuditEvent.action == wanted.action)
    elif not wanted.documents:
        found.append(AuditEvent.document_id.is_(None))
    if wanted.batch_no:
        batch = select(Batch.id).where(Batch.batch_no == wanted.batch_no).scalar_subquery()
        found.append(AuditEvent.batch_id == batch)
    if wanted.first is not None:
        found.append(AuditEvent.at >= _midnight(wanted.first, zone))
    if wanted.last is not None:
        found.append(AuditEvent.at < _midnight(wanted.last + timedelta(days=1), zone))
    return found


def batch_numbers(session: Session, events: Sequence[AuditEvent]) -> Mapping[int, str]:
    """The numbers of the batches the events are about, deleted ones too, by id."""
    ids = {event.batch_id for event in events if event.batch_id is not None}
    query = select(Batch.id, Batch.batch_no).where(Batch.id.in_(ids))
    return {row.id: row.batch_no for row in session.execute(query)}


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
