"""后台作业: what somebody on a page asked for and waits for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, RowId, StatusType, UtcDateTime
from portal.statuses import ChoreStatus


class Chore(Base):
    """One piece of work for a clerk: what, for whom, how far it is, what came of it.

    ``kind`` names who performs it, ``subject`` what it is about (``source:3``); ``host`` the only
    host that may do it, if it matters. ``done`` of ``total`` are in the unit of the kind.
    ``attempt`` is the fence: a clerk that was thought dead writes nothing with an older number.
    ``unfinished_key`` says what is asked for, until it has ended: two who ask for the same on
    different hosts in the same moment get one chore.
    """

    __tablename__ = "chores"
    __table_args__ = (Index(None, "status"), Index(None, "kind", "subject"))

    id: Mapped[RowId]
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(160))
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    host: Mapped[str | None] = mapped_column(String(80))
    status: Mapped[ChoreStatus] = mapped_column(StatusType(ChoreStatus))
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempt: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(120))
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int | None] = mapped_column(BigInteger)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    unfinished_key: Mapped[str | None] = mapped_column(String(64), index=True, unique=True)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status not in (ChoreStatus.WAITING, ChoreStatus.RUNNING)


class Clerk(Base):
    """A clerk process of a worker host, and when it was last seen."""

    __tablename__ = "clerks"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    host: Mapped[str] = mapped_column(String(80))
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
