"""Job runs as 任务执行 lists them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from executor.models import ExecutorRun
from executor.statuses import RunStatus
from portal.services import paging
from portal.services.paging import Leaf, Place


@dataclass(frozen=True)
class RunFilter:
    """What to show; empty means all. The days, of the trigger, are inclusive."""

    status: str = ""
    handler: str = ""
    job_id: str = ""
    log_id: str = ""
    first: date | None = None
    last: date | None = None


def page(session: Session, wanted: RunFilter, place: Place, *, zone: ZoneInfo) -> Leaf[ExecutorRun]:
    """Runs at a place of the list, which is sorted by ``id``: as they were triggered."""
    query = select(ExecutorRun)
    if wanted.status in set(RunStatus):
        query = query.where(ExecutorRun.status == wanted.status)
    if wanted.handler:
        query = query.where(ExecutorRun.handler == wanted.handler)
    for column, text in (
        (ExecutorRun.job_id, wanted.job_id),
        (ExecutorRun.log_id, wanted.log_id),
    ):
        if text:
            query = query.where(column == _number(text))
    if wanted.first is not None:
        query = query.where(ExecutorRun.queued_at >= _midnight(wanted.first, zone))
    if wanted.last is not None:
        query = query.where(
            ExecutorRun.queued_at < _midnight(wanted.last + timedelta(days=1), zone)
        )
    return paging.read(session, query, place, columns={"id": ExecutorRun.id}, row_id=ExecutorRun.id)


def _number(text: str) -> int:
    """The number as an admin has it; none of them is below 1, so that nonsense finds nothing."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
