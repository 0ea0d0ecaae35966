"""Following the batches of deferred DataSyncTask runs: progress lines, and the run's end.

The agent calls :meth:`Following.step` once a second. What was last written is kept in memory
only: an agent that starts anew writes one line more, and nothing else depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from executor import Executor, RunInfo
from portal.errors import reason
from portal.jobs.data_sync import ACTOR
from portal.ledger import Ledger
from portal.models import Batch, BatchItem, JobBatch, Slice
from portal.services import batches
from portal.statuses import ItemStatus, RunStatus, SyncStatus, label

LINE_EVERY = timedelta(seconds=5)
# The admin's log page gives up after a minute without a line (protocol facts 2.6).
LINE_AT_LEAST_EVERY = timedelta(seconds=30)
_SUCCESS, _FAILURE = 200, 500
_FIRST_CAUSES = 3


@dataclass(frozen=True, slots=True)
class _Part:
    """What one run follows of one batch: all of its months, or its shard's."""

    batch: Batch
    slices: list[Slice]

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

    def progress(self) -> str:
        total = sum(part.total for part in self.slices)
        done = sum(part.done for part in self.slices)
        failed = sum(part.failed for part in self.slices)
        counted = all(part.is_counted for part in self.slices)
        share = f"（{done * 100 // total}%）" if counted and total else ""
        listing = "" if counted else "，仍在列出"
        status = label(self.batch.run_status, "zh")
        return (
            f"{self.batch.batch_no} {status}：已同步 {done}/{total}{share}，失败 {failed}{listing}"
        )


class Following:
    """The agent's view of the runs that wait for batches."""

    def __init__(self, ledger: Ledger, executor: Executor) -> None:
        self._ledger = ledger
        self._executor = executor
        self._said: dict[int, tuple[datetime, str]] = {}

    def step(self, now: datetime) -> None:
        """Write due progress lines and end the runs whose batches have ended or were paused."""
        runs = self._executor.deferred_runs()
        self._said = {
            run.run_id: self._said[run.run_id] for run in runs if run.run_id in self._said
        }
        for run in runs:
            self._follow(run, now)

    def _follow(self, run: RunInfo, now: datetime) -> None:
        with self._ledger.read() as session:
            parts = _parts_of(session, run.run_id)
            if not parts:
                return
            ending = _ending(session, parts)
        if ending is not None:
            code, message = ending
            self._executor.append_run_log(run.run_id, message)
            self._executor.finish_run(run.run_id, code, message)
            return
        self._say_progress(run, "；".join(part.progress() for part in parts), now)

    def _say_progress(self, run: RunInfo, line: str, now: datetime) -> None:
        said_at, said = self._said.get(run.run_id, (datetime.min.replace(tzinfo=now.tzinfo), ""))
        waited = now - said_at
        if waited >= LINE_AT_LEAST_EVERY or (waited >= LINE_EVERY and line != said):
            self._executor.append_run_log(run.run_id, line)
            self._said[run.run_id] = (now, line)


def release_batches(session: Session, run: RunInfo, cause: str) -> None:
    """When a run was ended from outside: a kill pauses its batches, a timeout gives them back."""
    for part in _parts_of(session, run.run_id):
        if part.batch.run_status is not RunStatus.RUNNING:
            continue
        now = run.ended_at or part.batch.created_at
        if cause == "kill":
            batches.pause(session, part.batch, by=f"{ACTOR} kill", now=now)
        else:
            batches.give_back(session, part.batch, by=f"{ACTOR} {cause}", now=now)


def _parts_of(session: Session, run_id: int) -> list[_Part]:
    query = (
        select(Batch, JobBatch)
        .join(JobBatch, JobBatch.batch_id == Batch.id)
        .where(JobBatch.run_id == run_id)
        .order_by(Batch.id)
    )
    return [
        _Part(
            batch,
            [
                part
                for position, part in enumerate(batch.slices)
                if position % link.shard_total == link.shard_index
            ],
        )
        for batch, link in session.execute(query)
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
    text = f"{part.progress()}，{label(part.batch.sync_status, 'zh')}"
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
