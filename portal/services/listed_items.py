"""Discovery's items: what a listed document becomes in its batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.orm import Session

from portal.models import BatchItem, Overlap, Slice, table_of
from portal.services import audit
from portal.services.carried_over import EarlierFailure, earlier_failures
from portal.services.descriptions import Listed
from portal.services.relisting import redescribe
from portal.statuses import ItemStatus

# What waits for a listing is due at its end (`wake_items`), and after so long in any case.
_LISTING_AT_MOST = timedelta(days=1)
_ITEMS = table_of(BatchItem)
Key = tuple[str, str]
AnyRow = Row[*tuple[Any, ...]]


@dataclass(slots=True)
class Tally:
    """How the counts of the slice change by one page."""

    total: int = 0
    skipped: int = 0
    failed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Of those, what failed with which code just now."""


def record_items(
    session: Session,
    part: Slice,
    known: Mapping[Key, AnyRow],
    listed: Mapping[Key, Listed],
    *,
    overlap: Overlap,
    apart: Mapping[int, dict[str, Any]],
    by: str,
    now: datetime,
) -> Tally:
    """Give every listed document its item, and mended ones another chance; idempotent.

    :param known: the documents' rows by identity
    :param apart: by document, the newest description of those whose row keeps an older one
    """
    items = _items_of(session, part.batch_id, [row.id for row in known.values()])
    earlier = _earlier_failures(session, part, overlap, known, items)
    tally = Tally()
    new: list[dict[str, Any]] = []
    changes: list[tuple[int, ItemStatus, ItemStatus, str | None]] = []
    relisted: dict[int, dict[str, Any] | None] = {}
    for key, row in known.items():
        problem = listed[key].problem
        item = items.get(row.id)
        if item is None:
            values, why = _new_item(overlap, row, listed[key], earlier.get(row.id), now)
            values |= {"batch_id": part.batch_id, "slice_id": part.id, "document_id": row.id}
            new.append(values | {"description": apart.get(row.id)})
            tally.total += 1
            tally.skipped += values["status"] is ItemStatus.SKIPPED
            if values["status"] is ItemStatus.FAILED:
                tally.failed += 1
                tally.failures[values["error_code"]] += 1
            changes.append((row.id, ItemStatus.PENDING, values["status"], why))
            continue
        if problem is None and overlap is Overlap.ALL:
            relisted[item.id] = apart.get(row.id)
        if problem is None and item.slice_id == part.id and _failed_for_its_data(item):
            session.execute(update(_ITEMS).where(_ITEMS.c.id == item.id).values(pending_again(now)))
            tally.failed -= 1
            changes.append((row.id, ItemStatus.FAILED, ItemStatus.PENDING, None))
    redescribe(session, relisted)
    if new:
        session.execute(insert(_ITEMS), new)
    audit.record_items(
        session,
        [
            audit.item_event(
                by=by,
                at=now,
                batch_id=part.batch_id,
                document_id=document_id,
                old=old,
                new=status,
                reason=why,
            )
            for document_id, old, status, why in changes
            if status is not old
        ],
    )
    return tally


def _items_of(session: Session, batch_id: int, document_ids: Sequence[int]) -> Mapping[int, AnyRow]:
    query = select(
        BatchItem.id,
        BatchItem.slice_id,
        BatchItem.document_id,
        BatchItem.status,
        BatchItem.error_code,
    ).where(BatchItem.batch_id == batch_id, BatchItem.document_id.in_(document_ids))
    return {row.document_id: row for row in session.execute(query)}


def _earlier_failures(
    session: Session,
    part: Slice,
    overlap: Overlap,
    known: Mapping[Key, AnyRow],
    items: Mapping[int, AnyRow],
) -> Mapping[int, EarlierFailure]:
    if overlap is not Overlap.MISSING:
        return {}
    open_ = [row.id for row in known.values() if row.id not in items and row.archived_at is None]
    return earlier_failures(session, part.batch_id, open_)


def _new_item(
    overlap: Overlap,
    row: AnyRow,
    document: Listed,
    earlier: EarlierFailure | None,
    now: datetime,
) -> tuple[dict[str, Any], str | None]:
    """The item's columns as its batch's policy has them, and why it is decided already."""
    values: dict[str, Any] = {
        "status": ItemStatus.PENDING,
        "attempts": 0,
        "next_try_at": now,
        "error_code": None,
        "error_params": None,
        "failed_file_id": None,
        "tried_digest": None,
        "finished_at": None,
    }
    if row.archived_at is not None and overlap is not Overlap.ALL:
        return values | {"status": ItemStatus.SKIPPED, "finished_at": now}, None
    problem = document.problem
    if problem is None and (earlier is None or earlier.digest != document.digest):
        return values, None
    values |= {
        "status": ItemStatus.FAILED,
        "finished_at": now,
        "tried_digest": document.digest,
    }
    if problem is not None:
        return values | {"error_code": problem.code, "error_params": problem.params}, problem.code
    assert earlier is not None  # noqa: S101 - or it would be pending
    values |= {
        "error_code": earlier.code,
        "error_params": earlier.params,
        "failed_file_id": earlier.file_id,
    }
    return values, earlier.reason


def _failed_for_its_data(item: AnyRow) -> bool:
    return item.status is ItemStatus.FAILED and str(item.error_code).startswith("META_")


def pending_again(now: datetime) -> dict[str, Any]:
    """The columns of a failed item that is tried again from ``now`` as if for the first time."""
    return {
        "status": ItemStatus.PENDING,
        "attempts": 0,
        "next_try_at": now,
        "error_code": None,
        "error_params": None,
        "failed_file_id": None,
        "tried_digest": None,
        "finished_at": None,
    }


def pending_after_listing(now: datetime) -> dict[str, Any]:
    """The same for one whose month is listed again first, because it may be described anew."""
    return pending_again(now + _LISTING_AT_MOST)


def wake_items(session: Session, slice_id: int, *, now: datetime) -> None:
    """Make due what waited for the end of the month's listing.

    Those are the untried ones that nobody holds. One that came back untried because our own store
    failed is among them: its back-off ends early, once.
    """
    session.execute(
        update(_ITEMS)
        .where(
            _ITEMS.c.slice_id == slice_id,
            _ITEMS.c.status == ItemStatus.PENDING,
            _ITEMS.c.attempts == 0,
            _ITEMS.c.lease_owner.is_(None),
            _ITEMS.c.next_try_at > now,
        )
        .values(next_try_at=now)
    )
