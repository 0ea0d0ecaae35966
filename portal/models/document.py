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
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, UtcDateTime

_ARCHIVED = text("archived_at IS NOT NULL")


def _of_archived(name: str, *columns: str) -> Index:
    """An index of what is in the archive only, where the database can have such a one."""
    return Index(
        f"ix_documents_archived_{name}",
        *columns,
        "id",
        sqlite_where=_ARCHIVED,
        postgresql_where=_ARCHIVED,
    )


def _number(length: int) -> String:
    """A number as people write it, ordered by its bytes on every database.

    So one index serves equality, prefixes and order.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Document(Base):
    """An imaging document, one per (data source, resource 来源系统, image_no 影像编号).

    It is in the archive when ``archived_at`` is set, in the folder ``folder``. ``fence`` counts
    the claims ever made on it; every claim writes to a folder of its own, so that a worker which
    lost its lease can never write into what another one published, and nothing that a claim with
    an older number brings is recorded. ``described_at`` is when the source said what stands here.
    ``stored_files`` and ``stored_bytes`` are those in force, so that sums need no join.
    """

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("data_source_id", "resource", "image_no"),
        Index(None, "collected_at"),
        Index(None, "data_source_id", "collected_at"),
        Index(None, "archived_by_item_id"),
        Index(None, "image_no", "id"),
        Index(None, "bill_no", "id"),
        _of_archived("collected", "collected_at"),
        _of_archived("org", "org_code", "collected_at"),
        _of_archived("type", "bill_type_code", "collected_at"),
        _of_archived("applicant", "applicant", "collected_at"),
        _of_archived("amount", "amount"),
        _of_archived("when", "archived_at"),
        # One organisation's or type's documents in the order of id, and which of them there are.
        Index(None, "data_source_id", "org_code", "id"),
        Index(None, "data_source_id", "bill_type_code", "id"),
        # How a name begins.
        Index(None, "applicant", postgresql_ops={"applicant": "varchar_pattern_ops"}),
    )

    id: Mapped[RowId]
    data_source_id: Mapped[int] = mapped_column(BigId, ForeignKey("data_sources.id"))
    resource: Mapped[str] = mapped_column(String(64))
    image_no: Mapped[str] = mapped_column(_number(128))
    bill_no: Mapped[str] = mapped_column(_number(255))
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
    stored_files: Mapped[int] = mapped_column(default=0)
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class File(Base):
    """One file of a document: what the source declares of it, and what was stored and measured."""

    __tablename__ = "files"
    __table_args__ = (
        UniqueConstraint("document_id", "file_id"),
        Index(None, "category", "document_id"),
    )

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
