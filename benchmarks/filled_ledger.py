"""A ledger with one large batch in it, written directly and not by the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, text, update

from portal.ledger import Ledger
from portal.models import (
    AuditEvent,
    Base,
    Batch,
    BatchItem,
    DataSource,
    Document,
    File,
    Slice,
    table_of,
)
from portal.services import batches
from portal.services.throughput import EVERY_SECONDS, KEPT, take_samples
from portal.statuses import ItemStatus, ListingStatus

NOW = datetime.now(UTC)
MONTHS = 12
CHUNK = 10_000
_CODES = (
    "FILE_CORRUPT",
    "FILE_DIGEST_MISMATCH",
    "SRC_NOT_FOUND",
    "FILE_TYPE",
    "META_MISSING_FIELD",
)
Rows = dict[type[Base], list[dict[str, Any]]]


def fill(ledger: Ledger, documents: int, *, others: int, zone: ZoneInfo) -> str:
    """Fill an empty ledger; the number of its large batch, which runs.

    Of a hundred documents 97 are synced, one is skipped, one has failed of one of five causes and
    one is pending. Each has one file and one event in the trail. They are of 20 organisations, 8
    types and 500 submitters, spread over all of the year.

    :param others: how many small batches stand on the list beside it
    """
    with ledger.write() as session:
        source = DataSource(
            name="bench", base_url="http://127.0.0.1:9", client_id="c", secret_box="",
            enabled=True, created_at=NOW,
        )  # fmt: skip
        session.add(source)
        session.flush()
        source_id = source.id
        scope = batches.BatchScope(source_id, date(2024, 1, 1), date(2024, 12, 31))
        for _ in range(others):
            batches.create(session, scope, by="bench", now=NOW, zone=zone)
        batch = batches.create(session, scope, by="bench", now=NOW, zone=zone)
        batches.start(session, batch, by="bench", now=NOW)
        batch_id, batch_no = batch.id, batch.batch_no
        slices = [(part.id, part.starts_at) for part in batch.slices]
    for rows in _chunks(documents, batch_id, source_id, slices):
        with ledger.write() as session:
            for model, values in rows.items():
                session.connection().execute(insert(table_of(model)), values)
    _count(ledger, batch_id, documents)
    for back in reversed(range(KEPT)):
        take_samples(ledger, now=NOW - timedelta(seconds=EVERY_SECONDS * back))
    with ledger.write() as session:
        session.execute(text("ANALYZE"))
    return batch_no


def _chunks(
    documents: int, batch_id: int, source_id: int, slices: list[tuple[int, datetime]]
) -> Iterator[Rows]:
    for start in range(1, documents + 1, CHUNK):
        rows: Rows = {Document: [], BatchItem: [], File: [], AuditEvent: []}
        for number in range(start, min(documents + 1, start + CHUNK)):
            month = (number - 1) * MONTHS // documents
            place = (number - 1) % max(1, documents // MONTHS)
            slice_id, first = slices[month]
            # Four weeks, so that no document falls out of the shortest month.
            day = first + timedelta(seconds=place * 2_419_000 // max(1, documents // MONTHS))
            rows[Document].append(_document(number, source_id, day))
            rows[BatchItem].append(_item(number, batch_id, slice_id))
            rows[File].append(_file(number))
            rows[AuditEvent].append(_event(number, batch_id))
        yield rows


def status_of(number: int) -> ItemStatus:
    """What became of a document."""
    return {
        7: ItemStatus.FAILED,
        41: ItemStatus.SKIPPED,
        77: ItemStatus.PENDING,
    }.get(number % 100, ItemStatus.SYNCED)


def _document(number: int, source_id: int, day: datetime) -> dict[str, Any]:
    # Mixed well: who has a document tells nothing of when it came or what became of it.
    mixed = number * 2_654_435_761 % 2**32 >> 7
    return {
        "id": number,
        "data_source_id": source_id,
        "resource": "EAS",
        "image_no": f"FYBX{number:09d}",
        "bill_no": f"BILL-{mixed % 1_000_003:07d}-{number}",
        "bill_type_code": f"T{mixed % 8}",
        "bill_type_name": f"单据类型 {mixed % 8}",
        "org_code": f"{1000 + mixed // 8 % 20}",
        "org_name": f"组织 {mixed // 8 % 20}",
        "applicant": f"提单人{mixed // 160 % 500:03d}",
        "collected_at": day,
        "source_metadata": {},
        "listing_digest": "0" * 64,
        "fence": 1,
        "folder": f"bench/{number}",
        "archived_at": NOW,
        "archived_by_item_id": number,
    }


def _item(number: int, batch_id: int, slice_id: int) -> dict[str, Any]:
    status = status_of(number)
    failed = status is ItemStatus.FAILED
    return {
        "id": number,
        "batch_id": batch_id,
        "slice_id": slice_id,
        "document_id": number,
        "status": status,
        "attempts": 1,
        "losses": 0,
        "next_try_at": NOW,
        "error_code": _CODES[number // 100 % len(_CODES)] if failed else None,
        "error_params": {} if failed else None,
    }


def _file(number: int) -> dict[str, Any]:
    return {
        "document_id": number,
        "file_id": f"f-{number}",
        "category": "attachment",
        "seq": 1,
        "name": "附件.pdf",
        "suffix": "pdf",
        "storage_key": f"bench/{number}/01.pdf",
        "size": 100_000,
    }


def _event(number: int, batch_id: int) -> dict[str, Any]:
    return {
        "at": NOW,
        "actor": "bench",
        "action": "item.status",
        "batch_id": batch_id,
        "document_id": number,
        "old": ItemStatus.PENDING.value,
        "new": status_of(number).value,
    }


def _count(ledger: Ledger, batch_id: int, documents: int) -> None:
    """Give months and batch the counts of their items."""
    with ledger.write() as session:
        whole: dict[str, int] = {}
        for month, part in enumerate(session.get_one(Batch, batch_id).slices):
            numbers = [n for n in range(1, documents + 1) if (n - 1) * MONTHS // documents == month]
            counts = _counts([status_of(number) for number in numbers])
            whole = {name: whole.get(name, 0) + count for name, count in counts.items()}
            session.execute(
                update(Slice)
                .where(Slice.id == part.id)
                .values(
                    **counts,
                    expected_documents=counts["total"],
                    listing_status=ListingStatus.LISTED,
                )
            )
        session.execute(update(Batch).where(Batch.id == batch_id).values(**whole))


def _counts(statuses: list[ItemStatus]) -> Mapping[str, int]:
    counts = {one.value: statuses.count(one) for one in ItemStatus if one is not ItemStatus.PENDING}
    stored = counts["synced"]
    return counts | {
        "total": len(statuses),
        "stored_files": stored,
        "stored_bytes": stored * 100_000,
    }
