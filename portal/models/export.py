"""导出: a file made of the ledger's rows, kept so that it can be downloaded again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, UtcDateTime


class Export(Base):
    """One export: what was asked for, and the file that came of it.

    ``as_of`` is the moment whose ledger it shows. ``file`` is its name among what is kept beside
    the archive; a removed one keeps its row, its digest and ``anchor``, the newest of the trail
    when it was made.
    """

    __tablename__ = "exports"

    id: Mapped[RowId]
    kind: Mapped[str] = mapped_column(String(40))
    format: Mapped[str] = mapped_column(String(8))
    language: Mapped[str] = mapped_column(String(8))
    filters: Mapped[dict[str, Any]] = mapped_column(JSON)
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    chore_id: Mapped[int | None] = mapped_column(BigId)
    as_of: Mapped[datetime | None] = mapped_column(UtcDateTime)
    made_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    file: Mapped[str | None] = mapped_column(String(160))
    anchor: Mapped[str | None] = mapped_column(String(160))
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    removed_by: Mapped[str | None] = mapped_column(String(80))

    @property
    def is_kept(self) -> bool:
        """Whether its file can be downloaded."""
        return self.file is not None and self.removed_at is None
