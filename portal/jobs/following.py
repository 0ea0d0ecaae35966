"""Following the batches of deferred DataSyncTask runs: progress lines, and the run's end.

The agent calls :meth:`Following.step` once a second. What was last written is kept in memory
only: an agent that starts anew writes one line more, and nothing else depends on it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from executor import Executor, RunInfo
from executor.claims import hold
from portal.errors import reason
from portal.jobs.data_sync import ACTOR
from portal.ledger import Ledger
from portal.logs import context
from portal.models import Batch, BatchItem, JobBatch, Slice
from portal.services import batches
from portal.services.runs import JobOrigin
from portal.services.standing import standing
from portal.statuses import ItemStatus, RunStatus, SyncStatus, label

logger = logging.getLogger(__name__)

LINE_EVERY = timedelta(seconds=5)
# The admin's log page gives up after a minute without a line (protocol facts 2.6).
LINE_AT_LEAST_EVERY = timedelta(seconds=30)
_SUCCESS, _FAILURE = 200, 500
_FIRST_CAUSES = 3


@dataclass(frozen=True, slots=True)
class _Part:
    """What one run follows of one batch: all of its months, or its shard's."""

    batch: Batch
    link: JobBatch

    @property
    def slices(self) -> list[Slice]:
        """The months that are this run's."""
        return self.batch.slices[self.link.shard_index :: self.link.shard_total]

    @property
    def is_idle(self) -> bool:
        """Whether nobody works on it and nobody asked for that: it was given back."""
        waiting = self.batch.run_status is RunStatus.WAITING and not self.batch.paused_by
        return waiting and not self.is_ended

    @property
    def is_ended(self) -> bool:
        if self.batch.run_status is RunStatus.ENDED or self.batch.deleted_at:
            return True
        return bool(self.slices) and all(part.is_settled for part in self.slices)

    @property
    def is_complete(self) -> bool:
        if self.batch.cancelled_by:
            return False
        if self.batch.run_status is RunStatus.ENDED:
            return self.batch.sync_status is SyncStatus.COMPLETE
        return all(part.sync_status is SyncStatus.COMPLETE for part in self.slices)

    def progress(self, now: datetime, zone: ZoneInfo) -> str:
        """Where it is, and what keeps it back."""
        held = standing(self.batch, now=now, zone=zone).lines("zh", zone)
        return "；".join([self.counted(), *held])

    def counted(self) -> str:
        """Its counts."""
        total = sum(part.total for part in self.slices)
        done = sum(part.done for part in self.slices)
        failed = sum(part.failed for part in self.slices)
        counted = all(part.is_counted for part in self.slices)
        share = f"（{done * 100 // total}%）" if counted and total else ""
        listing = "" if counted else "，仍在清点"
        status = label(self.batch.run_status, "zh")
        return (
            f"{self.batch.batch_no} {status}：已同步 {done}/{total}{share}，失败 {failed}{listing}"
        )


class Following:
    """The agent's view of the runs that wait for batches."""

    def __init__(self, ledger: Ledger, executor: Executor, zone: ZoneInfo) -> None:
        self._ledger = ledger
        self._zone = zone
        self._executor = executor
        self._said: dict[int, tuple[datetime, str]] = {}

    def step(self, now: datetime) -> None:
        """Write due progress lines and end the runs whose batches have ended or were paused."""
        runs = self._executor.deferred_runs()
        self._said = {
            run.run_id: self._said[run.run_id] for run in runs if run.run_id in self._said
        }
        for run in runs:
            with context.working_on(job_log_id=run.log_id):
                try:
                    self._follow(run, now)
                except Exception:
                    # The next step tries it again; the other runs must not wait for that.
                    logger.exception("run %s could not be followed", run.run_id)

    def _follow(self, run: RunInfo, now: datetime) -> None:
        with self._ledger.read() as session:
            parts = _parts_of(session, run.run_id)
            if not parts:
                return
            ending = _ending(session, parts)
            is_idle = any(part.is_idle for part in parts)
            progress = "；".join(part.progress(now, self._zone) for part in parts)
        if ending is not None:
            code, message = ending
            self._executor.append_run_log(run.run_id, message)
            self._executor.finish_run(run.run_id, code, message)
            return
        if is_idle:
            self._start_again(run, now)
            return
        self._say_progress(run, progress, now)

    def _start_again(self, run: RunInfo, now: datetime) -> None:
        """Set the batches running that were given back although the run still waits for them."""

        def start(session: Session) -> str:
            if not hold(session, run):
                return ""  # it was ended meanwhile, and its batches given back for good
            idle = [part for part in _parts_of(session, run.run_id, lock=True) if part.is_idle]
            for part in idle:
                batches.start(
                    session,
                    part.batch,
                    by=ACTOR,
                    now=now,
                    shard_index=part.link.shard_index,
                    shard_total=part.link.shard_total,
                    job=JobOrigin(run.run_id, run.log_id),
                )
            return "、".join(part.batch.batch_no for part in idle)

        if line := self._ledger.transact(start):
            self._executor.append_run_log(run.run_id, f"批次 {line} 继续运行 going on")

    def _say_progress(self, run: RunInfo, line: str, now: datetime) -> None:
        said_at, said = self._said.get(run.run_id, (datetime.min.replace(tzinfo=now.tzinfo), ""))
        waited = abs(now - said_at)  # the clock may have been put back
        if waited >= LINE_AT_LEAST_EVERY or (waited >= LINE_EVERY and line != said):
            self._executor.append_run_log(run.run_id, line)
            self._said[run.run_id] = (now, line)


def _parts_of(session: Session, run_id: int, *, lock: bool = False) -> list[_Part]:
    links = session.scalars(
        select(JobBatch).where(JobBatch.run_id == run_id).order_by(JobBatch.batch_id)
    )
    return [
        _Part(
            session.get_one(Batch, link.batch_id, populate_existing=lock, with_for_update=lock),
            link,
        )
        for link in links.all()
    ]


def _ending(session: Session, parts: list[_Part]) -> tuple[int, str] | None:
    """Code and message with which the run ends now; None while its batches go on."""
    paused = [part.batch for part in parts if part.batch.paused_by]
    if paused:
        who = "，".join(f"{batch.batch_no} 由 {batch.paused_by}" for batch in paused)
        return _FAILURE, f"批次被暂停 paused: {who}"
    if not all(part.is_ended for part in parts):
        return None
    message = "；".join(_outcome(session, part) for part in parts)
    return (_SUCCESS if all(part.is_complete for part in parts) else _FAILURE), message


def _outcome(session: Session, part: _Part) -> str:
    text = f"{part.counted()}，{label(part.batch.sync_status, 'zh')}"
    if part.batch.cancelled_by:
        text += f"，由 {part.batch.cancelled_by} 取消"
    if part.batch.deleted_at:
        text += "，已删除"
    causes = [
        f"{one.month} {reason(one.error_code, one.error_params, 'zh')}"
        for one in part.slices
        if one.error_code
    ]
    causes += [
        f"{reason(code, params, 'zh')} ×{count}" for code, params, count in _causes(session, part)
    ]
    return text + ("。失败原因：" + "、".join(causes) if causes else "")


def _causes(session: Session, part: _Part) -> list[tuple[str, dict[str, object], int]]:
    """The commonest causes of failure, each with the parameters of one example."""
    query = (
        select(BatchItem.error_code, func.count(), func.min(BatchItem.id))
        .where(
            BatchItem.slice_id.in_([one.id for one in part.slices]),
            BatchItem.status == ItemStatus.FAILED,
        )
        .group_by(BatchItem.error_code)
        .order_by(func.count().desc(), BatchItem.error_code)
        .limit(_FIRST_CAUSES)
    )
    return [
        (str(code), session.get_one(BatchItem, example).error_params or {}, count)
        for code, count, example in session.execute(query)
    ]
