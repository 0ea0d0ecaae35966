"""Which 任务执行 (job run) waits for which batches."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId


class JobBatch(Base):
    """A batch that a run of DataSyncTask follows; ``run_id`` is the executor's own run row.

    ``shard_index`` of ``shard_total`` says which slices are this run's (0 of 1: all).
    """

    __tablename__ = "job_batches"

    run_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    batch_id: Mapped[int] = mapped_column(BigId, ForeignKey("batches.id"), primary_key=True)
    shard_index: Mapped[int] = mapped_column(default=0)
    shard_total: Mapped[int] = mapped_column(default=1)
