"""运行历史: every run of a batch, from its start to how it ended."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, StatusType, UtcDateTime
from portal.statuses import SyncStatus


class RunOutcome(StrEnum):
    """How a run ended: by itself, or because somebody or xxl-job stopped it."""

    ENDED = "ended"
    PAUSED = "paused"
    GIVEN_BACK = "given_back"
    CANCELLED = "cancelled"


class BatchRun(Base):
    """One run: who or what started it, and the batch's counts when it ended.

    ``job_run_id`` and ``job_log_id`` name the run of DataSyncTask that started it; the executor
    forgets its runs after a while. ``retried`` is how many failed documents were sent again, none
    where the run began with a plain start; ``narrowed`` which of them, when not all.
    """

    __tablename__ = "batch_runs"

    batch_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("batches.id"), primary_key=True, autoincrement=False
    )
    run_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_by: Mapped[str] = mapped_column(String(80))
    job_run_id: Mapped[int | None] = mapped_column(BigInteger)
    job_log_id: Mapped[int | None] = mapped_column(BigInteger)
    retried: Mapped[int | None]
    narrowed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_by: Mapped[str | None] = mapped_column(String(80))
    outcome: Mapped[RunOutcome | None] = mapped_column(StatusType(RunOutcome))
    sync_status: Mapped[SyncStatus | None] = mapped_column(StatusType(SyncStatus))
    total: Mapped[int | None]
    done: Mapped[int | None]
    failed: Mapped[int | None]
