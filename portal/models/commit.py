"""What was committed lately: asked when a connection is lost in the very moment of a commit."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, UtcDateTime


class LedgerCommit(Base):
    """A transaction that was committed; written by itself, forgotten after an hour."""

    __tablename__ = "ledger_commits"

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
