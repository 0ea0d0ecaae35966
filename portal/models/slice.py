"""月度明细: one calendar month of a batch."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ColumnElement, ForeignKey, String, and_, func, or_
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, StatusType, UtcDateTime
from portal.models.counts import Counts, derive_sync_status, sync_status_in_sql
from portal.statuses import ListingStatus, SyncStatus


class Slice(Counts, Base):
    """A month (Asia/Shanghai) or the covered part of it, as a half-open range of instants.

    ``next_page`` is the listing's cursor, committed with the page before it.
    ``next_try_at`` is when anybody may list it: the end of the lease of the worker that lists
    it now, or the end of a back-off.
    """

    __tablename__ = "slices"

    id: Mapped[RowId]
    batch_id: Mapped[int] = mapped_column(BigId, ForeignKey("batches.id"), index=True)
    month: Mapped[str] = mapped_column(String(7), index=True)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    listing_status: Mapped[ListingStatus] = mapped_column(StatusType(ListingStatus))
    next_page: Mapped[int] = mapped_column(default=1)
    listing_round: Mapped[int] = mapped_column(default=1)
    listed_rows: Mapped[int] = mapped_column(default=0)
    source_total: Mapped[int | None]
    source_version: Mapped[str | None] = mapped_column(String(64))
    last_page_digest: Mapped[str | None] = mapped_column(String(64))
    expected_documents: Mapped[int | None]
    expected_files: Mapped[int | None]
    expected_bytes: Mapped[int | None] = mapped_column(BigInteger)
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    @property
    def is_counted(self) -> bool:
        """Whether ``total`` is final; before that no percentage may be shown."""
        return self.listing_status is ListingStatus.LISTED

    @hybrid_property
    def is_short(self) -> bool:
        """Whether its listing ended with fewer documents than the source says it has.

        More than were counted are no defect: a live source grows while it is listed.
        """
        said = max(self.expected_documents or 0, self.source_total or 0)
        return self.is_counted and self.total < said

    @is_short.inplace.expression
    @classmethod
    def _is_short_in_sql(cls) -> ColumnElement[bool]:
        return and_(
            cls.listing_status == ListingStatus.LISTED,
            or_(
                cls.total < func.coalesce(cls.expected_documents, 0),
                cls.total < func.coalesce(cls.source_total, 0),
            ),
        )

    @property
    def is_settled(self) -> bool:
        """Whether its listing has ended and every document was decided."""
        listing_ended = self.listing_status in (ListingStatus.LISTED, ListingStatus.FAILED)
        return listing_ended and self.pending == 0

    @hybrid_property
    def sync_status(self) -> SyncStatus:
        """同步状态 of the month, derived from the counts; never complete when documents lack."""
        lacking = self.listing_status is ListingStatus.FAILED or self.is_short
        return derive_sync_status(self, ended=self.is_settled, listing_failed=lacking)

    @sync_status.inplace.expression
    @classmethod
    def _sync_status_in_sql(cls) -> ColumnElement[SyncStatus]:
        listing_ended = cls.listing_status.in_([ListingStatus.LISTED, ListingStatus.FAILED])
        decided = cls.synced + cls.skipped + cls.failed
        return sync_status_in_sql(
            cls,
            ended=and_(listing_ended, cls.total == decided),
            listing_failed=or_(cls.listing_status == ListingStatus.FAILED, cls.is_short),
        )
