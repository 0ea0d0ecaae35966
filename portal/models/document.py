"""影像单据 and 影像文件: what is, or is to be, in the archive."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Numeric,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, UtcDateTime


class Document(Base):
    """An imaging document, one per (data source, resource 来源系统, image_no 影像编号).

    It is in the archive when ``archived_at`` is set, in the folder ``folder``. ``fence`` counts
    the claims ever made on it; every claim writes to a folder of its own, so that a worker which
    lost its lease can never write into what another one published, and nothing that a claim with
    an older number brings is recorded. ``described_at`` is when the source said what stands here.
    """

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("data_source_id", "resource", "image_no"),
        Index(None, "collected_at"),
        Index(None, "archived_by_item_id"),
        # One organisation's or type's documents in the order of id, and which of them there are.
        Index(None, "data_source_id", "org_code", "id"),
        Index(None, "data_source_id", "bill_type_code", "id"),
        # How a number or a name begins.
        *(
            Index(None, name, postgresql_ops={name: "varchar_pattern_ops"})
            for name in ("image_no", "bill_no", "applicant")
        ),
    )

    id: Mapped[RowId]
    data_source_id: Mapped[int] = mapped_column(BigId, ForeignKey("data_sources.id"))
    resource: Mapped[str] = mapped_column(String(64))
    image_no: Mapped[str] = mapped_column(String(128))
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
    described_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fence: Mapped[int] = mapped_column(default=0)
    folder: Mapped[str | None] = mapped_column(Text)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    archived_by_item_id: Mapped[int | None] = mapped_column(BigId)


class File(Base):
    """One file of a document: what the source declares of it, and what was stored and measured."""

    __tablename__ = "files"
    __table_args__ = (UniqueConstraint("document_id", "file_id"),)

    id: Mapped[RowId]
    document_id: Mapped[int] = mapped_column(BigId, ForeignKey("documents.id"))
    file_id: Mapped[str] = mapped_column(String(128))
    category: Mapped[str] = mapped_column(String(16))
    seq: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    suffix: Mapped[str] = mapped_column(String(32))
    declared_size: Mapped[int | None] = mapped_column(BigInteger)
    declared_sha256: Mapped[str | None] = mapped_column(String(64))
    declared_md5: Mapped[str | None] = mapped_column(String(32))
    declared_pages: Mapped[int | None]
    download_url: Mapped[str | None] = mapped_column(Text)
    storage_key: Mapped[str | None] = mapped_column(String(700), index=True)
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    kind: Mapped[str | None] = mapped_column(String(16))
    pages: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    dpi: Mapped[int | None]
    stored_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
