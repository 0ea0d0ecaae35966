"""备份: which backups were made, so that everybody can see how old the newest one is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, RowId, UtcDateTime


class Backup(Base):
    """A finished backup: the moment whose ledger it holds, and where it was put.

    ``files`` and ``bytes`` are the documents' files it stands for, None where it left them to
    others; ``damaged`` counts those that were missing or changed in the archive.
    """

    __tablename__ = "backups"

    id: Mapped[RowId]
    name: Mapped[str] = mapped_column(String(40))
    host: Mapped[str] = mapped_column(String(80))
    place: Mapped[str] = mapped_column(Text)
    made_by: Mapped[str] = mapped_column(String(80))
    as_of: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    files: Mapped[int | None] = mapped_column(BigInteger)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    damaged: Mapped[int] = mapped_column(BigInteger)
