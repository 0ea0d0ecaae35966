"""Claiming due documents by compare-and-set, with a lease and a fencing token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, exists, select, update
from sqlalchemy.orm import Session, aliased

from portal.models import Batch, BatchItem, DataSource, Document, File, Overlap, Slice, table_of
from portal.services.leases import LEASE
from portal.services.outcomes import record_failures, record_skips
from portal.services.rechecks import (
    described_files,
    description_of,
    rechecks,
    without_kept_folders,
)
from portal.statuses import ItemStatus, RunStatus
from portal.sync.archive.names import document_folder
from portal.sync.sources.rows import Category, SourceFile
from portal.sync.transfer.retry import MAX_ATTEMPTS
from portal.sync.transfer.work import Claim, Recheck

AnyRow = Row[*tuple[Any, ...]]
_MANY = 500
_MOST_ROUNDS = 20
_ITEMS = table_of(BatchItem)
_DOCUMENTS = table_of(Document)


def claim(session: Session, batch_id: int, *, owner: str, limit: int, now: datetime) -> list[Claim]:
    """Lease up to ``limit`` due documents of a running batch.

    Every claim raises the document's fence, so that anything an earlier claim still tries to
    record is refused. A document that meanwhile was archived by another batch becomes skipped,
    unless the batch is to look at archived ones again; one whose every try ended with the death
    of its worker becomes failed.
    """
    batch = session.get_one(Batch, batch_id)
    if batch.run_status is not RunStatus.RUNNING:
        return []
    taken: Sequence[AnyRow] = ()
    rows = _due(session, batch_id, limit, now)
    for _ in range(_MOST_ROUNDS):
        taken = _decide(session, rows, batch.overlap, owner, now)[:limit]
        if taken or not rows:
            break
        # Nothing but what another batch has archived: go through it quickly.
        rows = _due(session, batch_id, _MANY, now)
    if not taken:
        return []
    _lease(session, taken, owner, now)
    files = _files(session, [row.document_id for row in taken])
    source = session.get_one(DataSource, batch.data_source_id).name
    again = rechecks(session, taken)
    return [
        _claim(row, source, files[row.document_id], again.get(row.document_id)) for row in taken
    ]


def _decide(
    session: Session, rows: Sequence[AnyRow], overlap: Overlap, owner: str, now: datetime
) -> Sequence[AnyRow]:
    """Settle what needs no transfer; the rest."""
    skips = overlap is not Overlap.ALL
    archived = [row.id for row in rows if skips and row.archived_at is not None]
    worn_out = [row.id for row in rows if row.id not in archived and row.attempts >= MAX_ATTEMPTS]
    record_skips(session, archived, by=owner, now=now)
    record_failures(session, worn_out, "INTERNAL", {"detail": "worker lost"}, by=owner, now=now)
    decided = {*archived, *worn_out}
    return [row for row in rows if row.id not in decided]


def _due(session: Session, batch_id: int, limit: int, now: datetime) -> Sequence[AnyRow]:
    other = aliased(BatchItem)
    held_elsewhere = exists().where(
        other.document_id == BatchItem.document_id,
        other.id != BatchItem.id,
        other.lease_owner.is_not(None),
        other.next_try_at > now,
    )
    query = (
        select(
            BatchItem.id,
            BatchItem.document_id,
            BatchItem.attempts,
            Slice.month,
            Document.fence,
            Document.resource,
            Document.image_no,
            Document.archived_at,
            Document.folder,
            Document.listing_digest,
            Document.described_at,
            BatchItem.description,
        )
        .join(Document, Document.id == BatchItem.document_id)
        .join(Slice, Slice.id == BatchItem.slice_id)
        .where(
            BatchItem.batch_id == batch_id,
            BatchItem.status == ItemStatus.PENDING,
            BatchItem.next_try_at <= now,
            ~held_elsewhere,
        )
        .order_by(BatchItem.next_try_at, BatchItem.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=[BatchItem, Document])
    )
    return session.execute(query).all()


def _lease(session: Session, rows: Sequence[AnyRow], owner: str, now: datetime) -> None:
    connection = session.connection()
    connection.execute(
        update(_DOCUMENTS)
        .where(_DOCUMENTS.c.id.in_([row.document_id for row in rows]))
        .values(fence=_DOCUMENTS.c.fence + 1)
    )
    connection.execute(
        update(_ITEMS)
        .where(_ITEMS.c.id.in_([row.id for row in rows]))
        .values(lease_owner=owner, next_try_at=now + LEASE, attempts=_ITEMS.c.attempts + 1)
    )


def _files(session: Session, document_ids: Sequence[int]) -> dict[int, list[SourceFile]]:
    query = select(File).where(File.document_id.in_(document_ids)).order_by(File.seq, File.id)
    files: dict[int, list[SourceFile]] = defaultdict(list)
    for file in session.scalars(query):
        files[file.document_id].append(
            SourceFile(
                file_id=file.file_id,
                category=cast(Category, file.category),
                seq=file.seq,
                name=file.name,
                suffix=file.suffix,
                size=file.declared_size,
                sha256=file.declared_sha256,
                md5=file.declared_md5,
                page_count=file.declared_pages,
                download_url=file.download_url,
            )
        )
    return files


def _claim(row: AnyRow, source: str, files: list[SourceFile], recheck: Recheck | None) -> Claim:
    def folder(fence: int) -> str:
        return document_folder(
            source=source,
            month=row.month,
            resource=row.resource,
            image_no=row.image_no,
            fence=fence,
        )

    fence = row.fence + 1
    description = description_of(row)
    return Claim(
        item_id=row.id,
        document_id=row.document_id,
        fence=fence,
        attempt=row.attempts + 1,
        folder=folder(fence),
        files=tuple(described_files(description) if description else files),
        leftovers=without_kept_folders([folder(earlier) for earlier in range(1, fence)], recheck),
        recheck=recheck,
    )


def renew(
    session: Session, claims: Sequence[Claim], *, owner: str, now: datetime
) -> frozenset[int]:
    """Renew leases; the ids of items that are no longer the owner's.

    A lease that ran out while nobody else took the document is the owner's still.
    """
    ours = _still_held(session, claims, owner)
    session.connection().execute(
        update(_ITEMS).where(_ITEMS.c.id.in_(ours)).values(next_try_at=now + LEASE)
    )
    return frozenset(claim.item_id for claim in claims) - frozenset(ours)


def release(session: Session, claims: Sequence[Claim], *, owner: str, now: datetime) -> None:
    """Give claims back untried: due at once, and not counted as an attempt."""
    session.connection().execute(
        update(_ITEMS)
        .where(_ITEMS.c.id.in_(_still_held(session, claims, owner)))
        .values(lease_owner=None, next_try_at=now, attempts=_ITEMS.c.attempts - 1)
    )


def _still_held(session: Session, claims: Sequence[Claim], owner: str) -> list[int]:
    fences = {claim.item_id: claim.fence for claim in claims}
    query = (
        select(BatchItem.id, Document.fence)
        .join(Document, Document.id == BatchItem.document_id)
        .where(
            BatchItem.id.in_(fences),
            BatchItem.status == ItemStatus.PENDING,
            BatchItem.lease_owner == owner,
        )
        .order_by(BatchItem.id)
        .with_for_update()
    )
    return [row.id for row in session.execute(query) if row.fence == fences[row.id]]
