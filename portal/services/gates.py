"""Whether a batch may be worked just now: holds, time windows, and what the source asked for."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from portal.models import Batch, DataSource
from portal.services import holds, levels, wanting
from portal.statuses import RunStatus
from portal.sync.throttle.windows import TimeWindows

_LONG_PAUSE = 5.0


def is_closed(
    session: Session,
    batch: Batch,
    now: datetime,
    zone: ZoneInfo,
    *,
    probing: bool = False,
    wanted_only: bool = False,
) -> bool:
    """Whether a worker on the batch has to let go of it.

    :param zone: the time zone that people's windows are meant in
    :param probing: the worker tries the one document that may end the batch's own hold
    :param wanted_only: it moves only what 文件下载 wants, for which the batch need not run
    """
    if batch.run_status is RunStatus.ENDED:
        return True
    if batch.run_status is RunStatus.WAITING and not (wanted_only and wanting.unfinished(session)):
        return True
    if not windows_of(batch.data_source, zone).is_open(now):
        return True
    return any(
        hold.batch_id is None or (hold.org_code is None and not probing)
        for hold in holds.of_batch(session, batch)
    )


def windows_of(source: DataSource, zone: ZoneInfo) -> TimeWindows:
    """When the source may be worked."""
    return TimeWindows(source.windows, zone)


def closed_sources(session: Session, now: datetime, zone: ZoneInfo) -> list[int]:
    """Sources whose batches need not be offered.

    They are out of hours, held with no probe due, or want to be left alone for a while.
    """
    found = holds.in_force(session)
    wide = [hold for hold in found if hold.batch_id is None and hold.probe_at > now]
    closed = []
    for source in session.scalars(select(DataSource).options(joinedload(DataSource.level))):
        held = any(hold.data_source_id in (None, source.id) for hold in wide)
        left_alone = levels.level_of(source).paused_until > now.timestamp() + _LONG_PAUSE
        if held or left_alone or not windows_of(source, zone).is_open(now):
            closed.append(source.id)
    return closed


def held_batches(session: Session, now: datetime) -> list[int]:
    """Batches that are held as a whole, with no probe due."""
    return [
        hold.batch_id
        for hold in holds.in_force(session)
        if hold.batch_id is not None and hold.org_code is None and hold.probe_at > now
    ]


def probed_batches(session: Session, now: datetime) -> list[int]:
    """Batches of which something is held and due to be probed."""
    return [
        hold.batch_id
        for hold in holds.in_force(session)
        if hold.batch_id is not None and hold.probe_at <= now
    ]
