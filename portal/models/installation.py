"""What all hosts of an installation must have in common."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, UtcDateTime

ONLY = 1
"""The id of the one row there is."""


class Installation(Base):
    """By what the secret key, and an executor token made by ourselves, can be told from others."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_fingerprint: Mapped[str] = mapped_column(String(32))
    token_fingerprint: Mapped[str | None] = mapped_column(String(32))
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
