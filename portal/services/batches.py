"""What people and DataSyncTask do with 迁移批次; every function writes its audit event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import statuses
from portal.errors import BatchRefused, NotAllowed, NotFound
from portal.models import Batch, DataSource, Overlap, Priority, PushTarget, RunOutcome, Slice
from portal.services import audit, holds, runs
from portal.services.batch_numbers import next_batch_no
from portal.services.months import MonthRange, months_between
from portal.services.runs import JobOrigin
from portal.services.settling import end_if_settled
from portal.statuses import ListingStatus, RunStatus

MOST_MONTHS = 600
# Beyond these lie typing errors, and days whose instants no calendar can hold.
EARLIEST_DAY, LATEST_DAY = date(1900, 1, 1), date(2999, 12, 31)


@dataclass(frozen=True, slots=True)
class BatchScope:
    """What a batch covers and what it looks at again; days are inclusive, no codes mean all."""

    source_id: int
    date_from: date
    date_to: date
    org_codes: tuple[str, ...] = ()
    bill_type_codes: tuple[str, ...] = ()
    overlap: Overlap = Overlap.MISSING

    @property
    def key(self) -> str:
        """A digest that is equal for equal scopes, whatever the order of the lists.

        What is to be looked at again is part of it: an unfinished batch that skips everything
        archived does not do what one of ``all`` was asked for. The default leaves no mark, so
        that keys of batches from before there was a choice stay good.
        """
        parts: list[Any] = [
            self.source_id,
            self.date_from.isoformat(),
            self.date_to.isoformat(),
            sorted(set(self.org_codes)),
            sorted(set(self.bill_type_codes)),
        ]
        if self.overlap is not Overlap.MISSING:
            parts.append(self.overlap)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def create(
    session: Session,
    scope: BatchScope,
    *,
    by: str,
    now: datetime,
    zone: ZoneInfo,
    priority: Priority = Priority.NORMAL,
    push_to: PushTarget | None = None,
) -> Batch:
    """Create a waiting batch with its months.

    :param push_to: where its archived documents are pushed on to
    :raises NotAllowed: when the days make no range or the source is not there or disabled, or the
        target is disabled
    """
    months = check_scope(session, scope, zone)
    if push_to is not None and not push_to.enabled:
        raise NotAllowed(f"目标 {push_to.name} 已停用", f"the target {push_to.name} is disabled")
    batch = Batch(
        batch_no=next_batch_no(session, now.astimezone(zone).date()),
        data_source_id=scope.source_id,
        date_from=scope.date_from,
        date_to=scope.date_to,
        org_codes=sorted(set(scope.org_codes)),
        bill_type_codes=sorted(set(scope.bill_type_codes)),
        overlap=scope.overlap,
        priority=priority,
        scope_key=scope.key,
        run_status=RunStatus.WAITING,
        created_by=by,
        created_at=now,
        push_target_id=push_to.id if push_to is not None else None,
        slices=[
            Slice(
                month=month.month,
                starts_at=month.starts_at,
                ends_at=month.ends_at,
                listing_status=ListingStatus.WAITING,
                next_try_at=now,
            )
            for month in months
        ],
    )
    session.add(batch)
    session.flush()
    detail = {"push_to": push_to.name} if push_to is not None else None
    audit.record(
        session, "batch.create", by=by, at=now, batch_id=batch.id, new=batch.batch_no, detail=detail
    )
    return batch


def check_scope(session: Session, scope: BatchScope, zone: ZoneInfo) -> Sequence[MonthRange]:
    """The months of a scope that a batch may have.

    :raises NotAllowed: when the days make no range or the source is not there or disabled
    """
    source = session.get(DataSource, scope.source_id)
    if source is None or not source.enabled:
        raise NotAllowed("数据源不存在或已停用", "the data source does not exist or is disabled")
    if scope.date_to < scope.date_from:
        raise NotAllowed("采集结束日期早于开始日期", "the range ends before it begins")
    if scope.date_from < EARLIEST_DAY or scope.date_to > LATEST_DAY:
        raise NotAllowed(
            f"采集日期须在 {EARLIEST_DAY} 至 {LATEST_DAY} 之间",
            f"the days must lie between {EARLIEST_DAY} and {LATEST_DAY}",
        )
    months = list(months_between(scope.date_from, scope.date_to, zone))
    if len(months) > MOST_MONTHS:
        raise NotAllowed(
            f"采集范围超过 {MOST_MONTHS} 个月",
            f"the range has more than {MOST_MONTHS} months",
        )
    return months


def set_priority(
    session: Session, batch: Batch, priority: Priority, *, by: str, now: datetime
) -> None:
    """Have idle workers prefer the batch to others, or others to it, from their next look on.

    :raises NotAllowed: when it has ended
    """
    if batch.run_status is RunStatus.ENDED:
        raise NotAllowed(f"批次 {batch.batch_no} 已结束", f"batch {batch.batch_no} has ended")
    if batch.priority is priority:
        return
    audit.record(
        session,
        "batch.priority",
        by=by,
        at=now,
        batch_id=batch.id,
        old=batch.priority,
        new=priority,
    )
    batch.priority = priority


def find(session: Session, batch_no: str) -> Batch:
    """The batch of that number, locked until the transaction ends where the database can.

    :raises NotFound: when there is none or it was deleted
    """
    batch = session.scalar(
        select(Batch)
        .where(Batch.batch_no == batch_no, Batch.deleted_at.is_(None))
        .with_for_update()
    )
    if batch is None:
        raise NotFound(f"没有批次 {batch_no}", f"there is no batch {batch_no}")
    return batch


def find_unfinished(session: Session, scope: BatchScope) -> Batch | None:
    """The unfinished batch of an equal scope, if there is one.

    The data source is locked until the transaction ends where the database can, so that of two
    who ask and then create one, the second finds what the first created; the batch is locked too.
    """
    session.get(DataSource, scope.source_id, with_for_update=True)
    return session.scalar(
        select(Batch)
        .where(
            Batch.scope_key == scope.key,
            Batch.run_status != RunStatus.ENDED,
            Batch.deleted_at.is_(None),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def start(
    session: Session,
    batch: Batch,
    *,
    by: str,
    now: datetime,
    shard_index: int = 0,
    shard_total: int = 1,
    job: JobOrigin | None = None,
) -> None:
    """Set a waiting batch running and open its months (of the shard) for listing; idempotent.

    A batch whose last documents were settled while it was being paused ends at once.

    :param job: the run of DataSyncTask that does it, if one does
    :raises NotAllowed: when a person paused it, or it has ended
    """
    if batch.paused_by:
        raise NotAllowed(
            f"批次 {batch.batch_no} 已被 {batch.paused_by} 暂停",
            f"batch {batch.batch_no} was paused by {batch.paused_by}",
        )
    if batch.run_status is RunStatus.ENDED:
        raise NotAllowed(f"批次 {batch.batch_no} 已结束", f"batch {batch.batch_no} has ended")
    if batch.run_status is RunStatus.WAITING:
        _change(session, batch, RunStatus.RUNNING, "batch.start", by=by, now=now)
        batch.run_no += 1
        batch.started_at = batch.started_at or now
        runs.begin(session, batch, by=by, now=now, job=job)
    for position, part in enumerate(batch.slices):
        waiting = part.listing_status is ListingStatus.WAITING
        if waiting and position % shard_total == shard_index:
            part.listing_status = ListingStatus.OPEN
            part.next_try_at = now
    end_if_settled(session, batch.id, by=by, now=now)


def pause(session: Session, batch: Batch, *, by: str, now: datetime) -> None:
    """A person's pause: DataSyncTask passes the batch over until it is resumed.

    :raises NotAllowed: when it is paused already or has ended
    """
    if batch.paused_by or batch.run_status is RunStatus.ENDED:
        raise NotAllowed(
            f"批次 {batch.batch_no} 已暂停或已结束",
            f"batch {batch.batch_no} is paused or has ended",
        )
    if batch.run_status is RunStatus.RUNNING:
        _change(session, batch, RunStatus.WAITING, "batch.pause", by=by, now=now)
        runs.end(session, batch, RunOutcome.PAUSED, by=by, now=now)
    else:
        audit.record(session, "batch.pause", by=by, at=now, batch_id=batch.id)
    batch.paused_by = by


def give_back(session: Session, batch: Batch, *, by: str, now: datetime) -> None:
    """Put a running batch back to waiting, so that the next DataSyncTask picks it up."""
    if batch.run_status is RunStatus.RUNNING:
        _change(session, batch, RunStatus.WAITING, "batch.give-back", by=by, now=now)
        runs.end(session, batch, RunOutcome.GIVEN_BACK, by=by, now=now)


def resume(session: Session, batch: Batch, *, by: str, now: datetime) -> None:
    """Go on after a pause.

    :raises NotAllowed: when it is not paused
    """
    if not batch.paused_by:
        raise NotAllowed(f"批次 {batch.batch_no} 未暂停", f"batch {batch.batch_no} is not paused")
    batch.paused_by = None
    start(session, batch, by=by, now=now)


def go_on(session: Session, batch: Batch, *, by: str, now: datetime) -> None:
    """Lift what holds the batch or its organisations, whatever the next documents do.

    What holds its source or the archive stays, as nothing could be done; it is probed at once.
    """
    for hold in holds.of_batch(session, batch):
        if hold.is_of_documents:
            holds.lift(session, hold.id, by=by, now=now, person=True)
    probe_now(session, batch, now=now)


def probe_now(session: Session, batch: Batch, *, now: datetime) -> None:
    """Have what holds the batch looked at again at once."""
    for hold in holds.of_batch(session, batch):
        holds.probe_now(session, hold.id, now=now)


def cancel(session: Session, batch: Batch, *, by: str, now: datetime) -> None:
    """End a batch for good; what is archived stays.

    :raises NotAllowed: when it has ended
    """
    if batch.run_status is RunStatus.ENDED:
        raise NotAllowed(f"批次 {batch.batch_no} 已结束", f"batch {batch.batch_no} has ended")
    _change(session, batch, RunStatus.ENDED, "batch.cancel", by=by, now=now)
    batch.paused_by = None
    batch.cancelled_by = by
    batch.ended_at = now
    runs.end(session, batch, RunOutcome.CANCELLED, by=by, now=now)
    holds.drop(session, batch.id, now=now)


def delete(session: Session, batch: Batch, *, by: str, now: datetime) -> None:
    """Take a batch off the list; archived documents, items, the trail and the number stay.

    :raises BatchRefused: when it is running
    """
    if batch.run_status is RunStatus.RUNNING:
        raise BatchRefused(batch.batch_no, "运行中，不能删除", "is running and cannot be deleted")
    batch.deleted_at = now
    audit.record(session, "batch.delete", by=by, at=now, batch_id=batch.id, old=batch.batch_no)


def _change(
    session: Session, batch: Batch, new: RunStatus, action: str, *, by: str, now: datetime
) -> None:
    statuses.check(batch.run_status, new)
    audit.record(session, action, by=by, at=now, batch_id=batch.id, old=batch.run_status, new=new)
    batch.run_status = new
