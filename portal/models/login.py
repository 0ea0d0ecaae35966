"""登录: who is logged in where, and who has to wait before the next try."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, UtcDateTime


class Login(Base):
    """One login that was not ended yet; without its row a session is none.

    The browser keeps the key; here is only its SHA-256, so that nobody who reads the ledger can
    take the session over.
    """

    __tablename__ = "logins"
    __table_args__ = (Index(None, "user_id"), Index(None, "began_at"))

    id: Mapped[RowId]
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    key_hash: Mapped[str] = mapped_column(String(64))
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    origin: Mapped[str] = mapped_column(String(80))


class LoginWait(Base):
    """How often somebody failed to log in lately, and until when they have to wait.

    ``key`` is the SHA-256 of what is counted: a name, an address, or both together. Names that
    nobody has are counted just so, and what was typed for a name is not kept.
    """

    __tablename__ = "login_waits"
    __table_args__ = (Index(None, "changed_at"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
