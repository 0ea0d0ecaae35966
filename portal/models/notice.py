"""通知: the channels by which people are told, and what each was told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId, RowId, StatusType, UtcDateTime
from portal.notify.kinds import ChannelKind, NoticeEvent
from portal.statuses import NoticeStatus


class NoticeChannel(Base):
    """Where news of ``events`` go, and in which language.

    ``config_box`` is all it is set to, encrypted, since the address of a robot is its key;
    ``shown`` is what may be shown of it. ``portal_url`` begins the links in its messages.
    """

    __tablename__ = "notice_channels"

    id: Mapped[RowId]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[ChannelKind] = mapped_column(StatusType(ChannelKind))
    language: Mapped[str] = mapped_column(String(8))
    events: Mapped[list[str]] = mapped_column(JSON)
    config_box: Mapped[str] = mapped_column(Text)
    shown: Mapped[str] = mapped_column(String(300))
    portal_url: Mapped[str] = mapped_column(String(300))
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Notice(Base):
    """One piece of news for one channel; written with what it tells of, delivered afterwards."""

    __tablename__ = "notices"
    __table_args__ = (Index(None, "status", "next_try_at"), Index(None, "channel_id"))

    id: Mapped[RowId]
    channel_id: Mapped[int] = mapped_column(BigId, ForeignKey("notice_channels.id"))
    event: Mapped[NoticeEvent] = mapped_column(StatusType(NoticeEvent))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[NoticeStatus] = mapped_column(StatusType(NoticeStatus))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    channel: Mapped[NoticeChannel] = relationship()
