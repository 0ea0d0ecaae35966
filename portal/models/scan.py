"""兼容性扫描: what a batch's documents will fail for, predicted before anything is moved."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId, RowId, UtcDateTime


class ScanCause(Base):
    """One cause: predicted from what is declared, or seen in the sample of files.

    ``documents`` counts each document once, at its first cause, as a migration does. ``params``
    are those of one example, ``examples`` up to five as ``{"image_no": …, "file": …}``.
    """

    __tablename__ = "scan_causes"
    __table_args__ = (Index(None, "scan_id"),)

    id: Mapped[RowId]
    scan_id: Mapped[int] = mapped_column(BigId, ForeignKey("scans.id"))
    code: Mapped[str] = mapped_column(String(40))
    sampled: Mapped[bool]
    documents: Mapped[int]
    files: Mapped[int]
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    examples: Mapped[list[dict[str, str]]] = mapped_column(JSON)


class Scan(Base):
    """One scan of a batch, kept with the rules it judged by.

    ``documents``, ``files`` and ``bytes`` are all that the source listed; ``archived`` of the
    documents the batch will pass over, which are not judged. ``seed`` repeats the sample.
    """

    __tablename__ = "scans"
    __table_args__ = (Index(None, "batch_id"),)

    id: Mapped[RowId]
    batch_id: Mapped[int] = mapped_column(BigId, ForeignKey("batches.id"))
    chore_id: Mapped[int | None] = mapped_column(BigId, unique=True)
    started_by: Mapped[str] = mapped_column(String(80))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    rules: Mapped[dict[str, Any]] = mapped_column(JSON)
    seed: Mapped[int] = mapped_column(BigInteger)
    documents: Mapped[int] = mapped_column(BigInteger)
    archived: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    sampled: Mapped[int]

    causes: Mapped[list[ScanCause]] = relationship(order_by=ScanCause.id)
