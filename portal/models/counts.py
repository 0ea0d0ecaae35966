"""The counts that slices and batches carry, and the status derived from them."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

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

    @property
    def done(self) -> int:
        """已同步单据数: synced, or skipped because already archived."""
        return self.synced + self.skipped

    @property
    def not_done(self) -> int:
        """未同步单据数, failures included."""
        return self.total - self.done

    @property
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
