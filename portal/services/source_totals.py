"""What a source counts under a filter of 影像单据列表, asked for while somebody waits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from portal.models import DataSource
from portal.secret_box import SecretBox
from portal.services.opening import open_source
from portal.sync.sources.rows import Count, Scope

#: Seconds for a connection, and for every wait for bytes.
PATIENCE = 8.0


@dataclass(frozen=True, slots=True)
class SourceTotals:
    """The source's own count; None for what it does not tell of all of them."""

    documents: int
    files: int | None
    bytes: int | None
    amount: Decimal | None


def count_at_source(source: DataSource, box: SecretBox, home: Path, scope: Scope) -> SourceTotals:
    """Ask the source for its count.

    :raises SyncError: what kept it from answering
    :raises SecretUnreadable: when a secret was stored with another key
    :raises OSError: when a private CA cannot be written below the home
    """
    opened = open_source(source, box, home, patience=PATIENCE)
    try:
        count = opened.source.count(scope)
    finally:
        opened.close()
    return SourceTotals(count.documents, count.files, count.bytes, _amount(count))


def _amount(count: Count) -> Decimal | None:
    amounts = [group.amount for group in count.groups]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal()) if known and len(known) == len(amounts) else None
