"""Discovery: recording what the source lists, page by page, each page with the cursor behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from portal.models import Batch, BatchItem, Document, File, Overlap, Slice, table_of
from portal.services import checked_months, failure_counts
from portal.services.descriptions import Listed
from portal.services.identities import may_be
from portal.services.listed_items import record_items

_DOCUMENTS = table_of(Document)
Key = tuple[str, str]
AnyRow = Row[*tuple[Any, ...]]


def record_documents(
    session: Session, part: Slice, documents: Sequence[Listed], *, by: str, now: datetime
) -> None:
    """Upsert a page's documents, files and items, and count them; idempotent.

    What becomes of a document that is archived or has failed before is the batch's overlap
    policy. One whose data is wrong fails at once; one that had failed for its data and was mended
    at the source becomes pending again.
    """
    batch = session.get_one(Batch, part.batch_id)
    listed: dict[Key, Listed] = {}
    for document in documents:
        listed.setdefault(document.key, document)
    known = _known_documents(session, batch.data_source_id, listed)
    taken_over = _update_changed(session, known, listed, now)
    apart = _described_apart(batch, known, listed, taken_over, now)
    new = [document for key, document in listed.items() if key not in known]
    _insert_documents(session, batch.data_source_id, new, now)
    if new:
        checked_months.withdraw(
            session, batch.data_source_id, [part.month], "listed", by=by, now=now
        )
        known = _known_documents(session, batch.data_source_id, listed)
        _insert_files(session, ((known[document.key].id, document) for document in new))
    tally = record_items(
        session, part, known, listed, overlap=batch.overlap, apart=apart, by=by, now=now
    )
    for table in (Slice, Batch):
        session.execute(
            update(table)
            .where(table.id == (part.id if table is Slice else batch.id))
            .values(
                total=table.total + tally.total,
                skipped=table.skipped + tally.skipped,
                failed=table.failed + tally.failed,
            )
            .execution_options(synchronize_session=False)
        )
    failure_counts.add(session, batch.id, tally.failures)


def _known_documents(
    session: Session, source_id: int, listed: dict[Key, Listed]
) -> dict[Key, AnyRow]:
    query = select(
        Document.id,
        Document.resource,
        Document.image_no,
        Document.archived_at,
        Document.listing_digest,
    ).where(may_be(source_id, listed))
    rows = {(row.resource, row.image_no): row for row in session.execute(query)}
    return {key: rows[key] for key in listed if key in rows}


def _described_apart(
    batch: Batch,
    known: dict[Key, AnyRow],
    listed: dict[Key, Listed],
    taken_over: Collection[int],
    now: datetime,
) -> dict[int, dict[str, Any]]:
    """For a batch of overlap ``all``: the new words for documents whose row keeps the old ones."""
    if batch.overlap is not Overlap.ALL:
        return {}
    return {
        row.id: listed[key].to_json(now)
        for key, row in known.items()
        if row.id not in taken_over
        and listed[key].problem is None
        and row.listing_digest != listed[key].digest
    }


def _insert_documents(
    session: Session, source_id: int, documents: Iterable[Listed], now: datetime
) -> None:
    rows = [
        {
            "data_source_id": source_id,
            "resource": document.key[0],
            "image_no": document.key[1],
            "fence": 0,
            **document.values_at(now),
        }
        for document in documents
    ]
    if rows:
        session.execute(insert(_DOCUMENTS), rows)


def _insert_files(session: Session, documents: Iterable[tuple[int, Listed]]) -> None:
    rows = [
        {"document_id": document_id, **values}
        for document_id, document in documents
        for values in document.files
    ]
    if rows:
        session.execute(insert(table_of(File)), rows)


def _update_changed(
    session: Session, known: dict[Key, AnyRow], listed: dict[Key, Listed], now: datetime
) -> frozenset[int]:
    """Take over what changed at the source, unless it is archived or somebody moves it just now.

    Nor is a row with a problem taken over: it may lack files, and another batch may be about to
    move the document as it was described whole.

    :return: the ids of the documents that were taken over
    """
    changed = {
        row.id: listed[key]
        for key, row in known.items()
        if row.archived_at is None
        and listed[key].problem is None
        and row.listing_digest != listed[key].digest
    }
    if not changed:
        return frozenset()
    free = _lock_free(session, changed, now)
    if not free:
        return frozenset()
    # A new fence: who held the document until its lease ran out has the old files.
    session.execute(
        update(_DOCUMENTS)
        .where(_DOCUMENTS.c.id == bindparam("key"))
        .values(fence=_DOCUMENTS.c.fence + 1),
        [{"key": key, **changed[key].values_at(now)} for key in free],
    )
    session.execute(delete(File).where(File.document_id.in_(free)))
    _insert_files(session, ((key, changed[key]) for key in free))
    return frozenset(free)


def _lock_free(session: Session, ids: Collection[int], now: datetime) -> list[int]:
    """Lock the documents; those that neither were archived meanwhile nor are being moved.

    A claim and its outcome lock the document too: whoever comes second sees what the first did.
    """
    unarchived = (
        select(Document.id)
        .where(Document.id.in_(ids), Document.archived_at.is_(None))
        .order_by(Document.id)
        .with_for_update()
    )
    locked = session.scalars(unarchived).all()
    moving = set(
        session.scalars(
            select(BatchItem.document_id).where(
                BatchItem.document_id.in_(locked),
                BatchItem.lease_owner.is_not(None),
                BatchItem.next_try_at > now,
            )
        )
    )
    return [document_id for document_id in locked if document_id not in moving]
