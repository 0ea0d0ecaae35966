"""Counting again what the months and batches carry as counts.

==============  ===============================================================================
total           items
synced          items ``synced``; likewise ``skipped`` and ``failed``
stored_files    files of what synced items stored: the documents in force that they archived, and
                the earlier versions that they had archived
stored_bytes    the sizes of those files
==============  ===============================================================================
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import Batch, BatchItem, Document, DocumentVersion, File, Slice, VersionFile

COUNTERS = ("total", "synced", "skipped", "failed", "stored_files", "stored_bytes")


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that is not what its rows say; ``month`` is None for the batch's own."""

    batch_no: str
    month: str | None
    counter: str
    kept: int
    counted: int

    @property
    def place(self) -> str:
        """Batch, month and count in one word."""
        parts = (self.batch_no, self.month, self.counter)
        return "/".join(part for part in parts if part is not None)


def differences(ledger: Ledger, batch_id: int) -> list[Difference]:
    """Compare a batch's counts and its months' with the rows, in one consistent view."""
    with ledger.snapshot() as session:
        batch = session.get_one(Batch, batch_id)
        counted = _counted(session, batch_id)
        whole: Counter[str] = Counter()
        found: list[Difference] = []
        for part in batch.slices:
            mine = counted.get(part.id, Counter())
            whole.update(mine)
            found += _compare(batch.batch_no, part.month, part, mine)
        return found + _compare(batch.batch_no, None, batch, whole)


def _compare(
    batch_no: str, month: str | None, row: Batch | Slice, counted: Mapping[str, int]
) -> list[Difference]:
    pairs = [(name, getattr(row, name), counted.get(name, 0)) for name in COUNTERS]
    return [
        Difference(batch_no, month, name, kept, rows) for name, kept, rows in pairs if kept != rows
    ]


def _counted(session: Session, batch_id: int) -> dict[int, Counter[str]]:
    """The counts by slice, from the rows."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    statuses = (
        select(BatchItem.slice_id, BatchItem.status, func.count())
        .where(BatchItem.batch_id == batch_id)
        .group_by(BatchItem.slice_id, BatchItem.status)
    )
    for slice_id, status, number in session.execute(statuses):
        counts[slice_id]["total"] += number
        counts[slice_id][status.value] += number
    for query in (_stored_in_force(batch_id), _stored_before(batch_id)):
        for slice_id, files, size in session.execute(query):
            counts[slice_id]["stored_files"] += files
            counts[slice_id]["stored_bytes"] += int(size or 0)
    return counts


def _stored_in_force(batch_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(BatchItem.slice_id, func.count(), func.sum(File.size))
        .join(Document, Document.archived_by_item_id == BatchItem.id)
        .join(File, File.document_id == Document.id)
        .where(BatchItem.batch_id == batch_id, File.storage_key.is_not(None))
        .group_by(BatchItem.slice_id)
    )


def _stored_before(batch_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(BatchItem.slice_id, func.count(), func.sum(VersionFile.size))
        .join(DocumentVersion, DocumentVersion.archived_by_item_id == BatchItem.id)
        .join(VersionFile, VersionFile.version_id == DocumentVersion.id)
        .where(BatchItem.batch_id == batch_id, VersionFile.storage_key.is_not(None))
        .group_by(BatchItem.slice_id)
    )
