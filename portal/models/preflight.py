"""确保前提: what was checked before a migration, where, by whom; and what people ticked by hand."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId, RowId, UtcDateTime


class Preflight(Base):
    """One time that the prerequisites of a data source were looked at.

    ``date_from`` and ``date_to`` are the inclusive days whose size is estimated.
    """

    __tablename__ = "preflights"
    __table_args__ = (Index(None, "data_source_id", "asked_at"),)

    id: Mapped[RowId]
    data_source_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("data_sources.id", ondelete="CASCADE")
    )
    date_from: Mapped[date]
    date_to: Mapped[date]
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)

    reports: Mapped[list[PreflightReport]] = relationship(
        back_populates="preflight", order_by="PreflightReport.host", passive_deletes=True
    )


class PreflightReport(Base):
    """What one worker host found; with an empty ``host``, what holds for the whole installation.

    ``state`` and ``findings`` are none until it has ended; ``chore_id`` is who was to find out.
    """

    __tablename__ = "preflight_reports"
    __table_args__ = (UniqueConstraint("preflight_id", "host"),)

    id: Mapped[RowId]
    preflight_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("preflights.id", ondelete="CASCADE")
    )
    host: Mapped[str] = mapped_column(String(80))
    chore_id: Mapped[int | None] = mapped_column(BigId)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[str | None] = mapped_column(String(16))
    findings: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))

    preflight: Mapped[Preflight] = relationship(back_populates="reports")


class PreflightTick(Base):
    """A prerequisite that a person looked at, and says is met; until it is withdrawn."""

    __tablename__ = "preflight_ticks"
    __table_args__ = (Index(None, "data_source_id"),)

    id: Mapped[RowId]
    data_source_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("data_sources.id", ondelete="CASCADE")
    )
    item: Mapped[str] = mapped_column(String(40))
    ticked_by: Mapped[str] = mapped_column(String(80))
    ticked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    remark: Mapped[str] = mapped_column(Text)
    withdrawn_by: Mapped[str | None] = mapped_column(String(80))
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_why: Mapped[str | None] = mapped_column(Text)
