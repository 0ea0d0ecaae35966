"""推送: an archived document on its way to a target."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, StatusType, UtcDateTime
from portal.statuses import PushStatus


class Push(Base):
    """One document at one target: how far it is, which version of it, and who works on it.

    ``folder`` is the archived version that the rest speaks of: when another one is in force, the
    document is pushed again. ``batch_id`` is the batch that asked for it first. ``next_try_at`` is
    when anybody may claim it: while ``lease_owner`` is set, the end of that lease. ``fence`` counts
    the claims; what an older one brings is refused. ``attempts`` counts tries that failed in its
    status, or looks at the target that did not find it confirmed. ``image_status`` is the target's
    own word.
    """

    __tablename__ = "pushes"
    __table_args__ = (
        UniqueConstraint("target_id", "document_id"),
        Index("ix_pushes_due", "target_id", "status", "next_try_at", "id"),
        Index(None, "document_id"),
    )

    id: Mapped[RowId]
    target_id: Mapped[int] = mapped_column(BigId, ForeignKey("push_targets.id"))
    document_id: Mapped[int] = mapped_column(BigId, ForeignKey("documents.id"))
    batch_id: Mapped[int] = mapped_column(BigId)
    status: Mapped[PushStatus] = mapped_column(StatusType(PushStatus))
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    fence: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    folder: Mapped[str | None] = mapped_column(Text)
    image_status: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    pushed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PushedFile(Base):
    """A file that the target has taken: its number there, so that it is not sent again."""

    __tablename__ = "pushed_files"
    __table_args__ = (UniqueConstraint("push_id", "file_id"),)

    id: Mapped[RowId]
    push_id: Mapped[int] = mapped_column(BigId, ForeignKey("pushes.id"))
    file_id: Mapped[str] = mapped_column(String(128))
    sha256: Mapped[str] = mapped_column(String(64))
    file_no: Mapped[str] = mapped_column(String(255))
    src_path: Mapped[str] = mapped_column(Text)
