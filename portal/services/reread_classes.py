"""What is wrong with a file on disk: of what re-reading blames, which class it is.

A file with another one's content is told by its digest. A file that was moved is missing in one
place and extra in another: that is one defect, not two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, delete, or_, select
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.models import (
    Document,
    File,
    Part,
    ReconciliationFinding,
    VerificationFinding,
)
from portal.sync.archive.base import Archive

AnyRow = Row[*tuple[Any, ...]]
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What a file turned out to be; None and None when it cannot be read."""

    size: int | None
    sha256: str | None


def content_of(archive: Archive, key: str) -> Content:
    """Read a file to its end.

    :raises SyncError: when the archive is away
    """
    digest, size = hashlib.sha256(), 0
    try:
        with archive.open(key) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except SyncError as error:
        if error.problem.where == "archive":
            raise
        return Content(None, None)
    except OSError:
        return Content(None, None)
    return Content(size, digest.hexdigest())


def damaged(
    session: Session,
    archive: Archive,
    run_id: int,
    month: str,
    blamed: Sequence[VerificationFinding],
) -> Iterator[ReconciliationFinding]:
    """The findings of a verification as defects; what is known already is left out."""
    files = _files_at(session, [finding.storage_key for finding in blamed])
    documents = _documents(session, {finding.document_id for finding in blamed})
    known = _known(session, run_id, blamed)
    contents = {
        finding.storage_key: content_of(archive, finding.storage_key)
        for finding in blamed
        if finding.code == "ARCHIVE_DAMAGED"
    }
    owners = _owners(session, [each.sha256 for each in contents.values()])
    for finding in blamed:
        file = files.get(finding.storage_key)
        document = documents.get(finding.document_id or 0)
        if finding.storage_key in known or document is None:
            continue
        if file is None and (finding.document_id, Part.MISSING) in known:
            continue
        part = Part.MISSING
        params: dict[str, Any] = {}
        if finding.code == "ARCHIVE_DAMAGED":
            part, params = _class_of(file, contents[finding.storage_key], owners)
        yield ReconciliationFinding(
            reconciliation_id=run_id,
            month=month,
            org_code=document.org_code,
            bill_type_code=document.bill_type_code,
            part=part,
            document_id=document.id,
            image_no=document.image_no,
            resource=document.resource,
            file_id=None if file is None else file.file_id,
            place=finding.storage_key,
            sha256=None if file is None else file.sha256,
            params={**params, "reread": True},
        )


def _class_of(
    file: AnyRow | None, content: Content, owners: Mapping[str, AnyRow]
) -> tuple[Part, dict[str, Any]]:
    if file is None or content.sha256 is None:
        return Part.DIGEST, {}
    owner = owners.get(content.sha256)
    if owner is not None and owner.document_id != file.document_id:
        return Part.WRONG_DOCUMENT, {"belongs_to": owner.image_no}
    if content.size != file.size:
        return Part.SIZE, {"there": file.size, "here": content.size}
    return Part.DIGEST, {"there": file.sha256, "here": content.sha256}


def unnamed(
    session: Session, archive: Archive, run_id: int, keys: Iterable[str]
) -> Iterator[ReconciliationFinding]:
    """Files that nobody names, as defects; a moved one takes its missing file's place."""
    contents = {key: content_of(archive, key) for key in keys}
    digests = [each.sha256 for each in contents.values()]
    owners = _owners(session, digests)
    moved = _missing(session, run_id, digests)
    for key, content in contents.items():
        month = key.split("/")[1]
        owner = owners.get(content.sha256 or "")
        waiting = moved.get(content.sha256 or "")
        part, params = Part.EXTRA, {}
        if waiting:
            lost = waiting.pop()
            if lost.folder == key.rpartition("/")[0]:
                continue  # it lies where it belongs, and it is the ledger that lacks it
            session.execute(
                delete(ReconciliationFinding).where(ReconciliationFinding.id == lost.id)
            )
            part = Part.WRONG_DOCUMENT if lost.month == month else Part.WRONG_MONTH
            params = {"belongs_to": lost.image_no, "belongs_at": lost.place}
        elif owner is not None:
            part, params = Part.TWICE, {"belongs_to": owner.image_no}
        yield ReconciliationFinding(
            reconciliation_id=run_id,
            month=month,
            org_code="" if owner is None else owner.org_code,
            bill_type_code="" if owner is None else owner.bill_type_code,
            part=part,
            document_id=None if owner is None else owner.document_id,
            image_no="" if owner is None else owner.image_no,
            resource="" if owner is None else owner.resource,
            place=key[:700],
            sha256=content.sha256,
            params={**params, "reread": True},
        )


def pair_listed(session: Session, source_id: int, found: Sequence[ReconciliationFinding]) -> None:
    """Tell apart the files a listing blames as extra: of another document, twice, or nobody's."""
    run_id = found[0].reconciliation_id
    ids = [finding.file_id for finding in found]
    lacking: dict[str, list[ReconciliationFinding]] = {}
    query = select(ReconciliationFinding).where(
        ReconciliationFinding.reconciliation_id == run_id,
        ReconciliationFinding.part == Part.MISSING,
        ReconciliationFinding.file_id.in_(ids),
    )
    for missing in session.scalars(query):
        lacking.setdefault(str(missing.file_id), []).append(missing)
    others = (
        select(File.file_id, File.document_id, Document.image_no)
        .join(Document, Document.id == File.document_id)
        .where(
            File.file_id.in_(ids),
            File.storage_key.is_not(None),
            Document.data_source_id == source_id,
        )
        .order_by(File.id)
    )
    holders: dict[str, list[AnyRow]] = {}
    for row in session.execute(others):
        holders.setdefault(row.file_id, []).append(row)
    for finding in found:
        waiting = lacking.get(str(finding.file_id))
        if waiting:
            lost = waiting.pop()
            session.delete(lost)
            finding.part = Part.WRONG_DOCUMENT
            finding.params = {**(finding.params or {}), "belongs_to": lost.image_no}
            continue
        for holder in holders.get(str(finding.file_id), ()):
            if holder.document_id != finding.document_id:
                finding.part = Part.TWICE
                finding.params = {**(finding.params or {}), "belongs_to": holder.image_no}


def _files_at(session: Session, keys: Sequence[str]) -> dict[str, AnyRow]:
    query = select(File.storage_key, File.file_id, File.document_id, File.size, File.sha256).where(
        File.storage_key.in_(keys)
    )
    return {row.storage_key: row for row in session.execute(query)}


def _documents(session: Session, ids: Iterable[int | None]) -> dict[int, Document]:
    wanted = [number for number in ids if number is not None]
    query = select(Document).where(Document.id.in_(wanted))
    return {document.id: document for document in session.scalars(query)}


def _known(session: Session, run_id: int, blamed: Sequence[VerificationFinding]) -> set[Any]:
    """The places, and (document, missing), that the listing blamed already."""
    query = select(
        ReconciliationFinding.place, ReconciliationFinding.document_id, ReconciliationFinding.part
    ).where(
        ReconciliationFinding.reconciliation_id == run_id,
        ReconciliationFinding.part.in_(
            [Part.SIZE, Part.DIGEST, Part.MISSING, Part.EXTRA, Part.TWICE, Part.WRONG_DOCUMENT]
        ),
        or_(
            ReconciliationFinding.place.in_([finding.storage_key for finding in blamed]),
            and_(
                ReconciliationFinding.place.is_(None),
                ReconciliationFinding.document_id.in_({finding.document_id for finding in blamed}),
            ),
        ),
    )
    known: set[Any] = set()
    for place, document_id, part in session.execute(query):
        known.add((document_id, part) if place is None else place)
    return known


def _owners(session: Session, digests: Iterable[str | None]) -> dict[str, AnyRow]:
    """Whose content it is, by digest."""
    wanted = sorted({digest for digest in digests if digest is not None})
    if not wanted:
        return {}
    columns = (Document.image_no, Document.resource, Document.org_code, Document.bill_type_code)
    query = (
        select(File.sha256, File.document_id, *columns)
        .join(Document, Document.id == File.document_id)
        .where(File.sha256.in_(wanted), File.storage_key.is_not(None))
        .order_by(File.id.desc())
    )
    return {row.sha256: row for row in session.execute(query)}


def _missing(
    session: Session, run_id: int, digests: Iterable[str | None]
) -> dict[str, list[AnyRow]]:
    query = (
        select(
            ReconciliationFinding.id,
            ReconciliationFinding.sha256,
            ReconciliationFinding.month,
            ReconciliationFinding.image_no,
            ReconciliationFinding.place,
            Document.folder,
        )
        .join(Document, Document.id == ReconciliationFinding.document_id)
        .where(
            ReconciliationFinding.reconciliation_id == run_id,
            ReconciliationFinding.part == Part.MISSING,
            ReconciliationFinding.sha256.in_({digest for digest in digests if digest}),
        )
    )
    found: dict[str, list[AnyRow]] = {}
    for row in session.execute(query.order_by(ReconciliationFinding.id.desc())):
        found.setdefault(row.sha256, []).append(row)
    return found
