"""DataSyncTask: what the existing xxl-job admin triggers (design section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from executor import JobContext, JobFailed, job_handler
from portal.errors import PortalError
from portal.jobs.parameter import CreateOrder, DataSyncParameter, parse_parameter
from portal.models import Batch, JobBatch, Slice, utc_now
from portal.runtime import Portal, current_portal
from portal.services import batches, preflight_gate, push_targets, retrying, sources
from portal.services.runs import JobOrigin
from portal.statuses import ListingStatus, RunStatus, SyncStatus, label

ACTOR = "xxl-job"
_HAS_FAILURES = ((Batch.failed > 0) | Batch.listing_failed) & Batch.cancelled_by.is_(None)
_HAS_UNOPENED_MONTHS = Batch.slices.any(Slice.listing_status == ListingStatus.WAITING)


@job_handler("DataSyncTask", resumable=True)
def data_sync(context: JobContext) -> str | None:
    """Set the waiting batches running and wait for their end; 200 at once when there are none.

    Run again after its process died, it finds the batches it had taken and waits for those.
    """
    parameter = parse_parameter(context.params)
    portal = current_portal()

    def take(session: Session) -> tuple[Sequence[str], Sequence[str]]:
        if not context.hold(session):
            raise JobFailed("运行已被终止 the run was ended before it started anything")
        order = _Order(portal, session, context, parameter)
        return order.take(), order.lines

    try:
        taken, lines = portal.ledger.transact(take)
    except PortalError as error:
        raise JobFailed(str(error)) from error
    for line in lines:
        context.log(line)
    if not taken and parameter.batch_no is not None:
        return f"批次 {parameter.batch_no} 已全部同步完成 is complete already"
    if not taken:
        return "没有待运行的批次 no batch is waiting"
    portal.offer()
    if not parameter.wait:
        return f"已排队 queued: {', '.join(taken)}"
    return context.defer()


class _Order:
    """One trigger's wishes, carried out in one transaction."""

    def __init__(
        self, portal: Portal, session: Session, context: JobContext, parameter: DataSyncParameter
    ) -> None:
        self._portal = portal
        self._session = session
        self._context = context
        self._parameter = parameter
        self._now: datetime = utc_now()
        self._job = JobOrigin(context.run_id, context.log_id)
        self.lines: list[str] = []

    def take(self) -> list[str]:
        """Start what was asked for and is startable; the numbers of the batches taken."""
        query = select(JobBatch.batch_id).where(JobBatch.run_id == self._context.run_id)
        mine = set(self._session.scalars(query))
        taken = [
            batch
            for batch in self._wanted(mine)
            if (batch.id in mine and _was_started(batch)) or self._start(batch)
        ]
        for batch in taken:
            self._session.merge(
                JobBatch(
                    run_id=self._context.run_id,
                    batch_id=batch.id,
                    shard_index=self._context.shard_index,
                    shard_total=max(1, self._context.shard_total),
                )
            )
        return [batch.batch_no for batch in taken]

    def _wanted(self, mine: set[int]) -> Sequence[Batch]:
        if self._parameter.create is not None:
            return [self._created(self._parameter.create, mine)]
        if self._parameter.batch_no is not None:
            return [batches.find(self._session, self._parameter.batch_no)]
        wanted = [Batch.run_status == RunStatus.WAITING, Batch.id.in_(mine)]
        if self._context.shard_total > 1:
            # The broadcast's other parts may have set it running before us.
            wanted.append(Batch.run_status == RunStatus.RUNNING)
        else:
            # Months of a broadcast's part that never came.
            wanted.append((Batch.run_status == RunStatus.RUNNING) & _HAS_UNOPENED_MONTHS)
        if self._parameter.retry_failed:
            wanted.append((Batch.run_status == RunStatus.ENDED) & _HAS_FAILURES)
        query = select(Batch).where(Batch.deleted_at.is_(None), or_(*wanted)).order_by(Batch.id)
        return self._session.scalars(query.with_for_update()).all()

    def _created(self, order: CreateOrder, mine: set[int]) -> Batch:
        if self._context.shard_total > 1:
            raise JobFailed("分片广播不能使用 create；a broadcast cannot create batches")
        source = sources.find(self._session, order.source)
        scope = batches.BatchScope(
            source_id=source.id,
            date_from=order.date_from,
            date_to=order.date_to,
            org_codes=order.org_codes,
            bill_type_codes=order.bill_type_codes,
            overlap=order.overlap,
        )
        created = select(Batch).where(Batch.id.in_(mine), Batch.scope_key == scope.key)
        if (batch := self._session.scalar(created.with_for_update())) is not None:
            return batch  # by an earlier life of this run, and maybe it has ended since
        target = push_targets.find(self._session, order.push_to) if order.push_to else None
        unfinished = batches.find_unfinished(self._session, scope)
        if unfinished is not None:
            if unfinished.push_target_id != (target.id if target is not None else None):
                raise JobFailed(
                    f"未结束的批次 {unfinished.batch_no} 范围相同而推送目标不同 "
                    "an unfinished batch of this scope has another target"
                )
            self.lines.append(f"沿用未结束的批次 reusing unfinished batch {unfinished.batch_no}")
            return unfinished
        return batches.create(
            self._session,
            scope,
            by=ACTOR,
            now=self._now,
            zone=self._portal.settings.timezone,
            push_to=target,
        )

    def _start(self, batch: Batch) -> bool:
        """Set one batch running; False, with a line that says why, when it is passed over.

        :raises JobFailed: when the batch was asked for by its number and is not complete
        """
        if why := self._why_not(batch):
            line = f"跳过 {batch.batch_no}：{why}, passed over"
            if self._parameter.batch_no is not None and not _is_complete(batch):
                raise JobFailed(line)
            self.lines.append(line)
            return False
        if batch.run_status is RunStatus.ENDED:
            count = retrying.retry(self._session, batch, by=ACTOR, now=self._now, job=self._job)
            self.lines.append(f"重新同步 {batch.batch_no} 的 {count} 份失败单据 retrying")
            return True
        batches.start(
            self._session,
            batch,
            by=ACTOR,
            now=self._now,
            shard_index=self._context.shard_index,
            shard_total=max(1, self._context.shard_total),
            job=self._job,
        )
        self._warn_of_preflight(batch)
        self.lines.append(
            f"批次 {batch.batch_no} 已排队：{batch.date_from} 至 {batch.date_to}，"
            f"{len(batch.slices)} 个月 queued"
        )
        return True

    def _warn_of_preflight(self, batch: Batch) -> None:
        """A job that comes by night is not kept from its work, but its log tells."""
        gate = preflight_gate.standing(self._session, batch.data_source_id, self._now)
        if gate.is_blocked:
            codes = sorted({finding.code or finding.check for _, finding in gate.blocking})
            self.lines.append(
                f"警告 warning：批次 {batch.batch_no} 的数据源前提未满足 "
                f"its preflight fails: {', '.join(codes)}"
            )

    def _why_not(self, batch: Batch) -> str:
        """Why the batch cannot be set running; empty when it can."""
        if batch.paused_by:
            return f"已被 {batch.paused_by} 暂停 paused"
        if batch.run_status is not RunStatus.ENDED:
            return ""
        if batch.cancelled_by:
            return f"已被 {batch.cancelled_by} 取消 was cancelled"
        if not (batch.failed or batch.listing_failed):
            return "已结束 has ended"
        if self._parameter.retry_failed:
            return ""
        status = label(batch.sync_status, "zh")
        return f"已结束，{status}，未要求 retry_failed；has ended with failures"


def _is_complete(batch: Batch) -> bool:
    ended = batch.run_status is RunStatus.ENDED and not batch.cancelled_by
    return ended and batch.sync_status is SyncStatus.COMPLETE


def _was_started(batch: Batch) -> bool:
    """Whether there is nothing to start: it runs, has ended, or a person paused it meanwhile."""
    return batch.run_status is not RunStatus.WAITING or bool(batch.paused_by)
