"""One document for its page: its files, its passages, its log, its earlier versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotFound
from portal.models import (
    AuditEvent,
    Batch,
    BatchItem,
    DataSource,
    Document,
    DocumentVersion,
    File,
    Push,
    VersionFile,
)
from portal.services import push_reports
from portal.services.downloads import DOWNLOADED

#: Newest events that the page shows.
_EVENTS = 100


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document with its files by category, its passages through batches, and its log.

    ``pushes`` has where it was pushed on to, with the targets' names. ``items`` has the newest
    passage first, ``events`` the newest change first, without downloads.
    """

    document: Document
    source: str
    files: Mapping[str, Sequence[File]]
    items: Sequence[tuple[BatchItem, Batch]]
    events: Sequence[AuditEvent]
    versions: Sequence[tuple[DocumentVersion, Sequence[VersionFile]]]
    pushes: Sequence[tuple[Push, str]]


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
        .where(AuditEvent.document_id == document_id, AuditEvent.action != DOWNLOADED)
        .order_by(AuditEvent.id.desc())
        .limit(_EVENTS)
    ).all()
    by_category = {
        category: [file for file in files if file.category == category]
        for category in ("cover", "invoice", "attachment")
    }
    passages = [(item, batch) for item, batch in items]
    return DocumentView(
        document=document,
        source=session.get_one(DataSource, document.data_source_id).name,
        files=by_category,
        items=passages,
        events=events,
        versions=_versions(session, document_id),
        pushes=push_reports.of_documents(session, [document_id]).get(document_id, []),
    )


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
