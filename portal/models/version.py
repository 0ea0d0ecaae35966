"""影像单据的历史版本: what was archived of a document before it was replaced."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Numeric, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, UtcDateTime


class DocumentVersion(Base):
    """A document as it was archived before ``replaced_at``, with the source's words of that time.

    Its folder stays in the archive. Written in the commit that puts the newer version in force
    and never changed afterwards. ``reason`` is why it was replaced: ``redescribed`` or
    ``rewritten`` at the source, or ``damaged``, which a verification then does not blame again.
    """

    __tablename__ = "document_versions"
    __table_args__ = (
        Index(None, "document_id"),
        Index(None, "archived_by_item_id"),
        Index(None, "replaced_by_item_id"),
    )

    id: Mapped[RowId]
    document_id: Mapped[int] = mapped_column(BigId, ForeignKey("documents.id"))
    bill_no: Mapped[str] = mapped_column(String(255))
    bill_type_code: Mapped[str] = mapped_column(String(255))
    bill_type_name: Mapped[str] = mapped_column(String(255))
    org_code: Mapped[str] = mapped_column(String(255))
    org_name: Mapped[str] = mapped_column(String(255))
    applicant: Mapped[str] = mapped_column(String(255))
    collected_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    source_metadata: Mapped[dict[str, Any]] = mapped_column(JSON)
    listing_digest: Mapped[str] = mapped_column(String(64))
    folder: Mapped[str] = mapped_column(Text)
    archived_at: Mapped[datetime] = mapped_column(UtcDateTime)
    archived_by_item_id: Mapped[int | None] = mapped_column(BigId)
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime)
    replaced_by_item_id: Mapped[int] = mapped_column(BigId)
    reason: Mapped[str] = mapped_column(String(16))


class VersionFile(Base):
    """One file of an earlier version: what was stored and measured."""

    __tablename__ = "version_files"
    __table_args__ = (UniqueConstraint("version_id", "file_id"),)

    id: Mapped[RowId]
    version_id: Mapped[int] = mapped_column(BigId, ForeignKey("document_versions.id"))
    file_id: Mapped[str] = mapped_column(String(128))
    category: Mapped[str] = mapped_column(String(16))
    seq: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    suffix: Mapped[str] = mapped_column(String(32))
    storage_key: Mapped[str | None] = mapped_column(String(700), index=True)
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    kind: Mapped[str | None] = mapped_column(String(16))
    pages: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    dpi: Mapped[int | None]
    stored_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
