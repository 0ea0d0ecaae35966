"""暂缓: why a batch, a source or everything waits, and the failures that led there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, UtcDateTime


class Hold(Base):
    """One cause that holds work until a probe finds it healed or a person lifts it.

    What it holds: everything (no source: the archive), all batches of a source, one batch, or the
    documents of one organisation in a batch. ``key`` names that while the hold is in force, so
    there is never more than one of them; a lifted hold has none and stays as history. It
    ``is_over`` when its batch has ended since.
    """

    __tablename__ = "holds"
    __table_args__ = (Index(None, "batch_id"),)

    id: Mapped[RowId]
    key: Mapped[str | None] = mapped_column(String(400), unique=True)
    data_source_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("data_sources.id"))
    batch_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("batches.id"))
    org_code: Mapped[str | None] = mapped_column(String(255))
    is_over: Mapped[bool] = mapped_column(default=False)
    code: Mapped[str] = mapped_column(String(40))
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    probe_at: Mapped[datetime] = mapped_column(UtcDateTime)
    probes: Mapped[int] = mapped_column(default=0)
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lifted_by: Mapped[str | None] = mapped_column(String(80))

    @property
    def is_of_documents(self) -> bool:
        """Whether documents failed with it, and not their source or the archive as a whole."""
        return self.batch_id is not None


class FailureStreak(Base):
    """Failed tries in a row with the same code, of a batch (``org_code`` empty) or of one of its
    organisations; a success ends it."""

    __tablename__ = "failure_streaks"

    batch_id: Mapped[int] = mapped_column(BigId, ForeignKey("batches.id"), primary_key=True)
    org_code: Mapped[str] = mapped_column(String(255), primary_key=True)
    code: Mapped[str] = mapped_column(String(40))
    failures: Mapped[int]
