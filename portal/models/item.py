"""迁移单据: a document's passage through one batch."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, StatusType, UtcDateTime
from portal.statuses import ItemStatus


class BatchItem(Base):
    """A document in a batch: status, attempts, error, and the lease of who works on it.

    ``next_try_at`` is when anybody may claim it: while ``lease_owner`` is set, the end of that
    lease; otherwise the end of a back-off. So what is due is one range of one index.
    ``error_code`` of a pending item is its last transient error. ``attempts`` counts tries that
    failed, ``losses`` claims in a row that ended with the death of their worker.
    ``tried_digest`` is the listing digest under which a failed one failed. ``description`` is what
    the source says of a document that is archived, or being moved, under another description (see
    :mod:`portal.services.descriptions`). ``wanted_by`` is the chore of the last 文件下载 that asked
    for it: while that chore is unfinished it is claimed before all others.
    """

    __tablename__ = "batch_items"
    __table_args__ = (
        UniqueConstraint("batch_id", "document_id"),
        Index("ix_batch_items_due", "batch_id", "status", "next_try_at", "id"),
        Index(None, "document_id"),
        # The documents of a batch are shown in the order of document_id: all of them by the unique
        # key, a month's, a status's and a cause's by these. The last one holds no sound document.
        Index(None, "slice_id", "document_id"),
        Index("ix_batch_items_by_status", "batch_id", "status", "document_id"),
        Index(
            "ix_batch_items_by_cause",
            *("batch_id", "error_code", "document_id", "status"),
            sqlite_where=text("error_code IS NOT NULL"),
            postgresql_where=text("error_code IS NOT NULL"),
        ),
        # Nearly no item is in it: what a 文件下载 wants is found without passing all the others.
        Index(
            "ix_batch_items_wanted",
            *("wanted_by", "batch_id", "status", "next_try_at"),
            sqlite_where=text("wanted_by IS NOT NULL"),
            postgresql_where=text("wanted_by IS NOT NULL"),
        ),
    )

    id: Mapped[RowId]
    batch_id: Mapped[int] = mapped_column(BigId, ForeignKey("batches.id"))
    slice_id: Mapped[int] = mapped_column(BigId, ForeignKey("slices.id"))
    document_id: Mapped[int] = mapped_column(BigId, ForeignKey("documents.id"))
    status: Mapped[ItemStatus] = mapped_column(StatusType(ItemStatus))
    attempts: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    failed_file_id: Mapped[str | None] = mapped_column(String(128))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    tried_digest: Mapped[str | None] = mapped_column(String(64))
    description: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    wanted_by: Mapped[int | None] = mapped_column(BigId)
