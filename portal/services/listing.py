"""Discovery: recording what the source lists, page by page, each page with the cursor behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from portal.models import Batch, BatchItem, Document, File, Slice, table_of
from portal.services.listed_items import record_items
from portal.sync.sources.rows import SourceDocument

_DOCUMENTS = table_of(Document)
Key = tuple[str, str]
AnyRow = Row[*tuple[Any, ...]]


def record_documents(
    session: Session, part: Slice, documents: Sequence[SourceDocument], *, by: str, now: datetime
) -> None:
    """Upsert a page's documents, files and items, and count them; idempotent.

    A document that is archived is skipped (overlap ``missing``); one whose data is wrong fails
    at once; one that had failed for its data and was mended at the source becomes pending again.
    """
    batch = session.get_one(Batch, part.batch_id)
    listed: dict[Key, SourceDocument] = {}
    for document in documents:
        listed.setdefault(_key(document), document)
    known = _known_documents(session, batch.data_source_id, listed)
    _update_changed(session, known, listed, now)
    new = [document for key, document in listed.items() if key not in known]
    _insert_documents(session, batch.data_source_id, new)
    if new:
        known = _known_documents(session, batch.data_source_id, listed)
        _insert_files(session, ((known[_key(document)].id, document) for document in new))
    tally = record_items(session, part, known, listed, by=by, now=now)
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


def listing_digest(document: SourceDocument) -> str:
    """A digest of all that the source says of a document, to see whether it changed."""
    plain = replace(document, problem=None)
    fields = {name: getattr(plain, name) for name in plain.__slots__}
    fields["files"] = [
        {name: getattr(file, name) for name in file.__slots__} for file in document.files
    ]
    return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()


def _key(document: SourceDocument) -> Key:
    return document.resource, document.image_no


def _known_documents(
    session: Session, source_id: int, listed: dict[Key, SourceDocument]
) -> dict[Key, AnyRow]:
    query = select(
        Document.id,
        Document.resource,
        Document.image_no,
        Document.archived_at,
        Document.listing_digest,
    ).where(
        Document.data_source_id == source_id,
        Document.image_no.in_([image_no for _, image_no in listed]),
    )
    rows = {(row.resource, row.image_no): row for row in session.execute(query)}
    return {key: rows[key] for key in listed if key in rows}


def _document_values(document: SourceDocument) -> dict[str, Any]:
    return {
        "bill_no": document.bill_no[:255],
        "bill_type_code": document.bill_type_code[:255],
        "bill_type_name": document.bill_type_name[:255],
        "org_code": document.org_code[:255],
        "org_name": document.org_name[:255],
        "applicant": document.applicant[:255],
        "collected_at": document.collected_at,
        "amount": document.amount,
        "source_metadata": document.extra,
        "listing_digest": listing_digest(document),
    }


def _insert_documents(
    session: Session, source_id: int, documents: Iterable[SourceDocument]
) -> None:
    rows = [
        {
            "data_source_id": source_id,
            "resource": document.resource,
            "image_no": document.image_no,
            "fence": 0,
            **_document_values(document),
        }
        for document in documents
    ]
    if rows:
        session.execute(insert(_DOCUMENTS), rows)


def _insert_files(session: Session, documents: Iterable[tuple[int, SourceDocument]]) -> None:
    rows = [
        {
            "document_id": document_id,
            "file_id": file.file_id,
            "category": file.category,
            "seq": file.seq,
            "name": file.name,
            "suffix": file.suffix[:32],
            "declared_size": file.size,
            "declared_sha256": file.sha256,
            "declared_md5": file.md5,
            "declared_pages": file.page_count,
            "download_url": file.download_url,
        }
        for document_id, document in documents
        for file in {file.file_id: file for file in document.files}.values()
    ]
    if rows:
        session.execute(insert(table_of(File)), rows)


def _update_changed(
    session: Session, known: dict[Key, AnyRow], listed: dict[Key, SourceDocument], now: datetime
) -> None:
    """Take over what changed at the source, unless it is archived or somebody moves it just now.

    Nor is a row with a problem taken over: it may lack files, and another batch may be about to
    move the document as it was described whole.
    """
    changed = {
        row.id: listed[key]
        for key, row in known.items()
        if row.archived_at is None
        and listed[key].problem is None
        and row.listing_digest != listing_digest(listed[key])
    }
    if not changed:
        return
    free = _lock_free(session, changed, now)
    if not free:
        return
    # A new fence: who held the document until its lease ran out has the old files.
    session.execute(
        update(_DOCUMENTS)
        .where(_DOCUMENTS.c.id == bindparam("key"))
        .values(fence=_DOCUMENTS.c.fence + 1),
        [{"key": key, **_document_values(changed[key])} for key in free],
    )
    session.execute(delete(File).where(File.document_id.in_(free)))
    _insert_files(session, ((key, changed[key]) for key in free))


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
