"""The counts that slices and batches carry, and the status derived from them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, literal, not_
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import StatusType
from portal.statuses import SyncStatus


class Counts:
    """Documents and bytes, changed in the transaction that changes the item (design section 3).

    ``stored_files`` and ``stored_bytes`` are what this batch's synced items put into the archive,
    also what a later batch has replaced since: an earlier version keeps who stored it.
    """

    total: Mapped[int] = mapped_column(default=0)
    synced: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    stored_files: Mapped[int] = mapped_column(default=0)
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0)

    @hybrid_property
    def done(self) -> int:
        """已同步单据数: synced, or skipped because already archived."""
        return self.synced + self.skipped

    @hybrid_property
    def not_done(self) -> int:
        """未同步单据数, failures included."""
        return self.total - self.done

    @hybrid_property
    def pending(self) -> int:
        """Documents that nothing was decided about yet."""
        return self.not_done - self.failed


def derive_sync_status(counts: Counts, *, ended: bool, listing_failed: bool) -> SyncStatus:
    """同步状态 by the rules of design section 3.

    A range in which the source holds no document at all is complete when it has ended.

    :param listing_failed: a listing failed, or ended short of what the source counted
    """
    if ended and not listing_failed and counts.done == counts.total:
        return SyncStatus.COMPLETE
    if counts.done:
        return SyncStatus.PARTIAL
    return SyncStatus.FAILED if ended else SyncStatus.PENDING


def sync_status_in_sql(
    counts: type[Counts], *, ended: ColumnElement[bool], listing_failed: ColumnElement[bool]
) -> ColumnElement[SyncStatus]:
    """The same for the database; neither condition may be null."""
    status = {one: literal(one, StatusType(SyncStatus)) for one in SyncStatus}
    done: ColumnElement[Any] = counts.synced + counts.skipped
    return case(
        (and_(ended, not_(listing_failed), done == counts.total), status[SyncStatus.COMPLETE]),
        (done != 0, status[SyncStatus.PARTIAL]),
        (ended, status[SyncStatus.FAILED]),
        else_=status[SyncStatus.PENDING],
    )
