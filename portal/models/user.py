"""People who log in."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, RowId, StatusType, UtcDateTime


class Role(StrEnum):
    """What a user may do: everything, run batches, or read."""

    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class User(Base):
    """An account; the password is kept as a scrypt hash.

    ``locale`` is the language its owner has chosen, none as long as the portal's own will do.
    """

    __tablename__ = "users"

    id: Mapped[RowId]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(StatusType(Role))
    enabled: Mapped[bool] = mapped_column(default=True)
    locale: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
