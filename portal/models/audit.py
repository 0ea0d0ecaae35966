"""操作日志 and its 封存: the events, and the seals that make it show when one is touched."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Index, LargeBinary, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, UtcDateTime


class AuditEvent(Base):
    """One event of the trail, written in the transaction of the change it tells of.

    Rows are only ever inserted: triggers of the database refuse anything else. Ids refer without
    foreign keys, so that the trail outlives what it speaks of.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(None, "batch_id"),
        Index(None, "document_id"),
        # What was done with a batch as a whole: a handful among the events of its documents.
        Index(
            "ix_audit_events_of_batches",
            *("batch_id", "id"),
            sqlite_where=text("document_id IS NULL"),
            postgresql_where=text("document_id IS NULL"),
        ),
    )

    id: Mapped[RowId]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(80))
    origin: Mapped[str | None] = mapped_column(String(80))
    """From where: a web user's address, the host of a command, a worker's slot."""
    action: Mapped[str] = mapped_column(String(40))
    batch_id: Mapped[int | None] = mapped_column(BigId)
    document_id: Mapped[int | None] = mapped_column(BigId)
    old: Mapped[str | None] = mapped_column(String(40))
    new: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str | None] = mapped_column(String(255))
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class AuditSeal(Base):
    """A link of the chain: some events in the order in which they were sealed.

    What is hashed, and how, is in :mod:`portal.services.seal_form`. The newest seal also is the
    whole state of the sealing, so that one inserted row is all that a step changes.
    """

    __tablename__ = "audit_seals"

    no: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    form: Mapped[int] = mapped_column(SmallInteger)
    """Which version of the canonical form was hashed."""
    sealed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    first_id: Mapped[int] = mapped_column(BigId)
    last_id: Mapped[int] = mapped_column(BigId)
    count: Mapped[int]
    total: Mapped[int] = mapped_column(BigId)
    """Events in this seal and all before it."""
    reached_id: Mapped[int] = mapped_column(BigId)
    """The highest id any seal has looked up to; higher ones are not sealed yet."""
    ids: Mapped[str] = mapped_column(Text)
    """The events' ids in order, as ranges: ``7,12-2011``."""
    open_gaps: Mapped[str] = mapped_column(Text)
    """Ids below ``reached_id`` whose rows may still appear, and why: JSON."""
    digests: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of each event in the same order, 32 bytes each."""
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
    mac: Mapped[str] = mapped_column(String(64))


class AuditCheck(Base):
    """核对: one verification of the trail, asked for by somebody, and what came of it."""

    __tablename__ = "audit_checks"

    id: Mapped[RowId]
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    checked: Mapped[int] = mapped_column(BigId, default=0)
    """Events looked at so far."""
    total: Mapped[int] = mapped_column(BigId, default=0)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_sound: Mapped[bool | None] = mapped_column(Boolean)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
