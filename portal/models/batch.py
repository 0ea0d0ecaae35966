"""迁移批次: a scope and its run."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import JSON, ColumnElement, ForeignKey, Index, String, and_, or_
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from portal.models.base import Base, BigId, RowId, StatusType, UtcDateTime
from portal.models.counts import Counts, derive_sync_status, sync_status_in_sql
from portal.models.hold import Hold
from portal.models.overlap import Overlap, OverlapType
from portal.models.priority import Priority
from portal.models.slice import Slice
from portal.models.source import DataSource
from portal.models.throughput import Throughput
from portal.statuses import RunStatus, SyncStatus


class Batch(Counts, Base):
    """Scope (inclusive days, organisations, document types, data source) and run of a migration.

    A person's pause is ``waiting`` with ``paused_by``; a person's cancel is ``ended`` with
    ``cancelled_by``. ``holds`` are those in force that concern it. A deleted batch stays in the
    ledger with ``deleted_at``. ``push_target_id`` is where its archived documents are pushed on to.
    """

    __tablename__ = "batches"
    __table_args__ = (Index(None, "run_status"), Index(None, "scope_key"))

    id: Mapped[RowId]
    batch_no: Mapped[str] = mapped_column(String(24), unique=True)
    data_source_id: Mapped[int] = mapped_column(BigId, ForeignKey("data_sources.id"))
    date_from: Mapped[date]
    date_to: Mapped[date]
    org_codes: Mapped[list[str]] = mapped_column(JSON)
    bill_type_codes: Mapped[list[str]] = mapped_column(JSON)
    overlap: Mapped[Overlap] = mapped_column(OverlapType(), default=Overlap.MISSING)
    priority: Mapped[Priority] = mapped_column(StatusType(Priority), default=Priority.NORMAL)
    scope_key: Mapped[str] = mapped_column(String(64))
    run_status: Mapped[RunStatus] = mapped_column(StatusType(RunStatus))
    run_no: Mapped[int] = mapped_column(default=0)
    listing_failed: Mapped[bool] = mapped_column(default=False)
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused_by: Mapped[str | None] = mapped_column(String(64))
    cancelled_by: Mapped[str | None] = mapped_column(String(64))
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    push_target_id: Mapped[int | None] = mapped_column(BigId)

    data_source: Mapped[DataSource] = relationship()
    slices: Mapped[list[Slice]] = relationship(order_by=Slice.starts_at)
    throughput: Mapped[Throughput | None] = relationship(viewonly=True)
    holds: Mapped[list[Hold]] = relationship(
        primaryjoin=lambda: and_(
            Hold.key.is_not(None),
            or_(
                foreign(Hold.batch_id) == Batch.id,
                and_(
                    Hold.batch_id.is_(None),
                    or_(
                        Hold.data_source_id.is_(None),
                        foreign(Hold.data_source_id) == Batch.data_source_id,
                    ),
                ),
            ),
        ),
        order_by=Hold.id,
        viewonly=True,
    )

    @hybrid_property
    def sync_status(self) -> SyncStatus:
        """同步状态, derived from the counts; what was cancelled is never complete."""
        ended = self.run_status is RunStatus.ENDED
        short = self.listing_failed or self.cancelled_by is not None
        return derive_sync_status(self, ended=ended, listing_failed=short)

    @sync_status.inplace.expression
    @classmethod
    def _sync_status_in_sql(cls) -> ColumnElement[SyncStatus]:
        ended = cls.run_status == RunStatus.ENDED
        short = or_(cls.listing_failed, cls.cancelled_by.is_not(None))
        return sync_status_in_sql(cls, ended=ended, listing_failed=short)

    @property
    def is_finished(self) -> bool:
        """Whether nothing moves any more unless a person asks for it."""
        return self.run_status is RunStatus.ENDED


class BatchNumber(Base):
    """The last batch number given out on a day; its row is the lock of that day's numbering."""

    __tablename__ = "batch_numbers"

    day: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[int]
