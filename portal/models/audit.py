"""操作日志: who, when, what, from, to, why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, UtcDateTime


class AuditEvent(Base):
    """One event of the trail, written in the transaction of the change it tells of.

    The application only ever inserts here. Ids refer without foreign keys, so that the trail
    outlives what it speaks of.
    """

    __tablename__ = "audit_events"
    __table_args__ = (Index(None, "batch_id"), Index(None, "document_id"))

    id: Mapped[RowId]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(40))
    batch_id: Mapped[int | None] = mapped_column(BigId)
    document_id: Mapped[int | None] = mapped_column(BigId)
    old: Mapped[str | None] = mapped_column(String(40))
    new: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str | None] = mapped_column(String(255))
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
