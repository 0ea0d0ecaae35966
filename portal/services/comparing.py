"""A sampled document at its source, in the archive, and as it was sealed: file by file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotFound, SyncError
from portal.models import DataSource, Document, File, SampleDocument
from portal.services.manifest_lines import ManifestFile, in_order, read_line
from portal.services.opening import OpenSource
from portal.sync.archive.base import Archive
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.checks.sniff import KNOWN_KINDS
from portal.sync.one_file import fetch_one, inspect_one
from portal.sync.sources.rows import Category, Page, Scope, SourceFile

_PIECE = 1024 * 1024
_MOST_PAGES = 100


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known here of a sampled document before its source is asked.

    :ivar files: of the ledger, by id
    """

    source: DataSource
    document: Document
    files: Mapping[str, File]
    sealed: Mapping[str, ManifestFile]


def subject(session: Session, row: SampleDocument) -> Subject:
    """Read it from the ledger.

    :raises NotFound: when the ledger knows the document no more
    """
    document = session.get(Document, row.document_id) if row.document_id is not None else None
    if document is None:
        raise NotFound("账本中没有这份单据", "the ledger does not know this document")
    files = session.scalars(
        select(File).where(File.document_id == document.id).order_by(File.seq, File.id)
    ).all()
    return Subject(
        source=session.get_one(DataSource, document.data_source_id),
        document=document,
        files={file.file_id: file for file in files},
        sealed={file.file_id: file for file in in_order(read_line(row.line.encode()).files)},
    )


def compare(
    known: Subject,
    archive: Archive,
    opened: OpenSource,
    page: Callable[[Scope, int], Page],
    folder: Path,
    *,
    told: Callable[[int, int], None],
) -> dict[str, Any]:
    """Fetch every file of the document, read the archived one, and set both beside the seal.

    What is wrong with single files is part of the outcome, as a code with its parameters.

    :param page: lists the source's documents
    :param folder: empty; the source's files are left in it, named by their place in the outcome
    :param told: hears how many of how many files are done
    :raises SyncError: when the source cannot be listed
    """
    listed = _listed(known.document, page)
    there = {file.file_id: file for file in (listed if listed is not None else _recorded(known))}
    rules = _lenient(known)
    ids = list(dict.fromkeys([*known.sealed, *known.files, *there]))
    files = []
    for number, file_id in enumerate(ids):
        told(number, len(ids))
        sealed, file, source = (
            known.sealed.get(file_id),
            known.files.get(file_id),
            there.get(file_id),
        )
        one = {
            "file_id": file_id,
            "name": source.name if source else file.name if file else file_id,
            "category": sealed.category if sealed else source.category if source else None,
            "sealed": {"size": sealed.size, "sha256": sealed.sha256} if sealed else None,
            "archive": _of_archive(archive, file),
            "source": _of_source(opened, source, rules, folder / str(number)),
        }
        files.append({**one, "equal": _is_equal(one)})
    equal = listed is not None and all(file["equal"] for file in files)
    return {"listed": listed is not None, "files": files, "equal": equal, "copies": folder.name}


def _lenient(known: Subject) -> CompatibilityRules:
    """What was archived may be looked at, whatever the rules say by now."""
    rules = CompatibilityRules.from_mapping(known.source.rules)
    largest = max((file.size for file in known.sealed.values()), default=0)
    return replace(
        rules,
        cover=KNOWN_KINDS,
        invoice=KNOWN_KINDS,
        attachment=KNOWN_KINDS,
        max_bytes=max(rules.max_bytes, largest),
        min_short_side=1,
        min_dpi=0,
    )


def _listed(document: Document, page: Callable[[Scope, int], Page]) -> Sequence[SourceFile] | None:
    """The files the source lists now; None when it does not list the document at its time."""
    if document.collected_at is None:
        return None
    second = document.collected_at.replace(microsecond=0)
    codes = [(code,) if code else () for code in (document.org_code, document.bill_type_code)]
    scope = Scope(second, second + timedelta(seconds=1), *codes)
    rows = 0
    for number in range(1, _MOST_PAGES + 1):
        found = page(scope, number)
        for each in found.documents:
            if (each.resource, each.image_no) == (document.resource, document.image_no):
                return each.files
        rows += len(found.documents)
        if not found.documents or rows >= found.total:
            break
    return None


def _recorded(known: Subject) -> list[SourceFile]:
    """The files as they were listed when the document was archived."""
    return [
        SourceFile(
            file_id=file.file_id,
            category=cast(Category, file.category),
            seq=file.seq,
            name=file.name,
            suffix=file.suffix,
            size=None,
            sha256=None,
            md5=None,
            page_count=file.declared_pages,
            download_url=file.download_url,
        )
        for file in known.files.values()
    ]


def _of_archive(archive: Archive, file: File | None) -> dict[str, Any] | None:
    """What lies in the archive now, read again."""
    if file is None or file.storage_key is None:
        return None
    digest, size = hashlib.sha256(), 0
    try:
        with archive.open(file.storage_key) as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    except SyncError as error:
        return _side(error=error)
    return _side(
        size=size, sha256=digest.hexdigest(), kind=file.kind, pages=file.pages, file=file.id
    )


def _of_source(
    opened: OpenSource, file: SourceFile | None, rules: CompatibilityRules, path: Path
) -> dict[str, Any] | None:
    """The source's copy, fetched now; what it is not declared to be is no reason to refuse it."""
    if file is None:
        return None
    undeclared = replace(file, size=None, sha256=None, md5=None)
    try:
        with path.open("w+b") as content:
            size = fetch_one(opened.source, opened.downloader, undeclared, rules.max_bytes, content)
            content.seek(0)
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            try:
                facts = inspect_one(file, content, rules)
            except SyncError as error:
                return _side(size=size, sha256=sha256, error=error)
    except SyncError as error:
        path.unlink(missing_ok=True)
        return _side(error=error)
    return _side(size=size, sha256=sha256, kind=facts.kind, pages=facts.pages)


def _side(*, error: SyncError | None = None, **known: Any) -> dict[str, Any]:
    """One side of a file, with every name a page asks for."""
    return {
        **dict.fromkeys(("size", "sha256", "kind", "pages", "file")),
        **known,
        "code": error.code if error else None,
        "params": dict(error.params) if error else None,
    }


def _is_equal(file: Mapping[str, Any]) -> bool:
    """Whether seal, archive and source have the same bytes."""
    digests = {(file[side] or {}).get("sha256") for side in ("sealed", "archive", "source")}
    return len(digests) == 1 and None not in digests
