"""Verification: re-reading the archive and comparing it with the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Select, func, select

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import BatchItem, Document, File
from portal.statuses import ItemStatus
from portal.sync.archive.base import Archive

AnyRow = Row[*tuple[Any, ...]]
_PAGE = 500
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One file that is not as the ledger says: ARCHIVE_MISSING, ARCHIVE_DAMAGED, or extra.

    Where the ledger itself names no file, ``storage_key`` is the document's folder.
    """

    code: str
    storage_key: str
    image_no: str | None = None
    document_id: int | None = None


@dataclass(slots=True)
class Verification:
    """What a verification saw; ``documents`` are those whose every file matched."""

    documents: int = 0
    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether ledger and archive agree in everything that was looked at."""
        return not self.findings


def verify(
    ledger: Ledger,
    archive: Archive,
    *,
    batch_id: int | None = None,
    progress: Callable[[Verification], None] = lambda _: None,
) -> Verification:
    """Re-read every archived file, of a batch or of all; over all also look for extra files.

    A batch's documents are those it holds as synced or skipped, wherever they came from. Only a
    look over everything can tell which files in the archive nobody knows.
    """
    seen = Verification()
    for files in _documents(ledger, batch_id):
        sound = [_check(archive, file, seen) for file in files]
        seen.documents += all(sound)
        progress(seen)
    if batch_id is None:
        seen.findings += extra_files(ledger, archive)
        progress(seen)
    return seen


def _check(archive: Archive, file: AnyRow, seen: Verification) -> bool:
    if file.storage_key is None:
        key = file.folder or ""
        seen.findings.append(Finding("ARCHIVE_MISSING", key, file.image_no, file.document_id))
        return False
    code = None
    digest = hashlib.sha256()
    size = 0
    try:
        with archive.open(file.storage_key) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
        if size != file.size or digest.hexdigest() != file.sha256:
            code = "ARCHIVE_DAMAGED"
    except SyncError as error:
        code = error.code
    except OSError:
        code = "ARCHIVE_DAMAGED"
    if code:
        seen.findings.append(Finding(code, file.storage_key, file.image_no, file.document_id))
        return False
    seen.files += 1
    seen.bytes += size
    return True


def _documents(ledger: Ledger, batch_id: int | None) -> Iterator[list[AnyRow]]:
    """The files of each archived document, a page of documents at a time.

    A document without files is one row without a key, so that it is looked at too.
    """
    last = 0
    while True:
        with ledger.read() as session:
            ids = list(session.scalars(_archived(batch_id, last)))
            rows = session.execute(
                select(
                    Document.id.label("document_id"),
                    Document.image_no,
                    Document.folder,
                    File.storage_key,
                    File.size,
                    File.sha256,
                )
                .outerjoin(File, File.document_id == Document.id)
                .where(Document.id.in_(ids))
                .order_by(Document.id, File.seq, File.id)
            ).all()
        if not ids:
            return
        by_document: dict[int, list[AnyRow]] = {document_id: [] for document_id in ids}
        for row in rows:
            by_document[row.document_id].append(row)
        yield from by_document.values()
        last = ids[-1]


def _archived(batch_id: int | None, after: int) -> Select[int]:
    query = (
        select(Document.id)
        .where(Document.archived_at.is_not(None), Document.id > after)
        .order_by(Document.id)
        .limit(_PAGE)
    )
    if batch_id is None:
        return query
    here = (ItemStatus.SYNCED, ItemStatus.SKIPPED)
    return query.join(BatchItem, BatchItem.document_id == Document.id).where(
        BatchItem.batch_id == batch_id, BatchItem.status.in_(here)
    )


def extra_files(ledger: Ledger, archive: Archive) -> Iterator[Finding]:
    """Files in the archive that the ledger does not name."""
    keys: list[str] = []
    for key, _ in archive.walk():
        keys.append(key)
        if len(keys) == _PAGE:
            yield from _unknown(ledger, keys)
            keys = []
    yield from _unknown(ledger, keys)


def _unknown(ledger: Ledger, keys: list[str]) -> Iterator[Finding]:
    with ledger.read() as session:
        known = set(session.scalars(select(File.storage_key).where(File.storage_key.in_(keys))))
    yield from (Finding("ARCHIVE_EXTRA", key) for key in keys if key not in known)


def archived_documents(ledger: Ledger) -> int:
    """How many documents a verification of everything will read."""
    with ledger.read() as session:
        query = select(func.count()).select_from(Document).where(Document.archived_at.is_not(None))
        return session.scalar(query) or 0
