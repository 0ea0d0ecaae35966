"""Reading for pages: bounded, keyset-paged, no counting of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, joinedload

from portal.errors import NotFound
from portal.models import (
    AuditEvent,
    Batch,
    BatchItem,
    DataSource,
    Document,
    DocumentVersion,
    File,
    VersionFile,
    Worker,
)
from portal.services import paging
from portal.services.leases import is_alive
from portal.services.paging import Leaf, Place
from portal.statuses import RunStatus

PAGE = 50


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all batches that are not deleted, and the workers there are."""

    batches: int
    running: int
    total: int
    synced: int
    skipped: int
    failed: int
    bytes: int
    workers: int


def totals(session: Session, *, now: datetime) -> Totals:
    """The overview's numbers, from the batches' counts, in one query."""
    is_running = case((Batch.run_status == RunStatus.RUNNING, 1), else_=0)
    running = func.coalesce(func.sum(is_running), 0)
    query = select(
        func.count(),
        running,
        *(
            func.coalesce(func.sum(column), 0)
            for column in (
                Batch.total,
                Batch.synced,
                Batch.skipped,
                Batch.failed,
                Batch.stored_bytes,
            )
        ),
        select(func.count()).select_from(Worker).where(is_alive(now)).scalar_subquery(),
    ).where(Batch.deleted_at.is_(None))
    return Totals(*(int(value) for value in session.execute(query).one()))


def batch_list(
    session: Session, *, before: int | None = None, limit: int = PAGE
) -> Sequence[Batch]:
    """Batches with their source, newest first; ``before`` is the last id of the last page."""
    query = (
        select(Batch)
        .options(joinedload(Batch.data_source))
        .where(Batch.deleted_at.is_(None))
        .order_by(Batch.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Batch.id < before)
    return session.scalars(query).all()


def batches_by_id(session: Session, ids: Sequence[int]) -> Sequence[Batch]:
    """The named batches, for the rows of a list that are still moving."""
    query = (
        select(Batch)
        .options(joinedload(Batch.data_source))
        .where(Batch.id.in_(ids), Batch.deleted_at.is_(None))
    )
    return session.scalars(query).all()


def batch_page(session: Session, batch_no: str) -> Batch:
    """A batch with its source, months, holds and throughput in one query, without locking it.

    :raises NotFound: when there is none or it was deleted
    """
    query = (
        select(Batch)
        .options(
            joinedload(Batch.data_source).joinedload(DataSource.level),
            joinedload(Batch.slices),
            joinedload(Batch.holds),
            joinedload(Batch.throughput),
        )
        .where(Batch.batch_no == batch_no, Batch.deleted_at.is_(None))
    )
    batch = session.scalars(query).unique().one_or_none()
    if batch is None:
        raise NotFound(f"没有批次 {batch_no}", f"there is no batch {batch_no}")
    return batch


def batch_events(session: Session, batch_id: int, place: Place) -> Leaf[AuditEvent]:
    """What was done with a batch, sorted by ``id``; its documents' own changes are left out."""
    query = select(AuditEvent).where(
        AuditEvent.batch_id == batch_id, AuditEvent.document_id.is_(None)
    )
    return paging.read(session, query, place, columns={"id": AuditEvent.id}, row_id=AuditEvent.id)


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document with its files by category and its passages through batches."""

    document: Document
    files: Mapping[str, Sequence[File]]
    items: Sequence[tuple[BatchItem, Batch]]
    events: Sequence[AuditEvent]
    versions: Sequence[tuple[DocumentVersion, Sequence[VersionFile]]]


def document_view(session: Session, document_id: int) -> DocumentView:
    """All of one document.

    :raises NotFound: when there is none
    """
    document = session.get(Document, document_id)
    if document is None:
        raise NotFound("没有这份单据", "there is no such document")
    query = select(File).where(File.document_id == document_id).order_by(File.seq, File.id)
    files = session.scalars(query).all()
    items = session.execute(
        select(BatchItem, Batch)
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(BatchItem.document_id == document_id)
        .order_by(BatchItem.id.desc())
    ).all()
    events = session.scalars(
        select(AuditEvent)
        .where(AuditEvent.document_id == document_id)
        .order_by(AuditEvent.id.desc())
        .limit(PAGE)
    ).all()
    by_category = {
        category: [file for file in files if file.category == category]
        for category in ("cover", "invoice", "attachment")
    }
    passages = [(item, batch) for item, batch in items]
    return DocumentView(document, by_category, passages, events, _versions(session, document_id))


def _versions(
    session: Session, document_id: int
) -> list[tuple[DocumentVersion, Sequence[VersionFile]]]:
    """What was archived before, the newest first, each with its files."""
    query = (
        select(DocumentVersion)
        .where(DocumentVersion.document_id == document_id)
        .order_by(DocumentVersion.id.desc())
    )
    versions = session.scalars(query).all()
    files = session.scalars(
        select(VersionFile)
        .where(VersionFile.version_id.in_([version.id for version in versions]))
        .order_by(VersionFile.seq, VersionFile.id)
    ).all()
    return [
        (version, [file for file in files if file.version_id == version.id]) for version in versions
    ]


def version_file(session: Session, file_id: int) -> tuple[VersionFile, int]:
    """A file of an earlier version, and its document's id.

    :raises NotFound: when there is none
    """
    row = session.execute(
        select(VersionFile, DocumentVersion.document_id)
        .join(DocumentVersion, DocumentVersion.id == VersionFile.version_id)
        .where(VersionFile.id == file_id, VersionFile.storage_key.is_not(None))
    ).one_or_none()
    if row is None:
        raise NotFound("没有这个文件", "there is no such file")
    return row[0], row[1]


def archived_file(session: Session, file_id: int) -> File:
    """A file that is in the archive.

    :raises NotFound: when there is none, or its document is not archived
    """
    file = session.get(File, file_id)
    if file is None or file.storage_key is None:
        raise NotFound("没有这个文件", "there is no such file")
    return file
