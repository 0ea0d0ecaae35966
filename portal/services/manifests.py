"""Making a month's manifest (封存清单): a file kept beside the archive, sealed by its SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import DataSource, Document, File, Sample
from portal.services.archive_side import within
from portal.services.manifest_lines import (
    ManifestDocument,
    ManifestFile,
    document_line,
    head_line,
)
from portal.services.sample_rule import stratum_of
from portal.services.verification_scope import month_range
from portal.sync.archive.base import Archive
from portal.sync.archive.keeping import keep, place_of

_FOLDER = "samples"
_NAME = "manifest"
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that lies on this host's disk; ``strata`` counts documents by type code."""

    path: Path
    sha256: str
    size: int
    documents: int
    strata: dict[str, int]


def folder_of(sample_id: int, sha256: str) -> str:
    """Where a manifest is kept, for :mod:`portal.sync.archive.keeping`; the digest keeps two
    makers apart.
    """
    return f"{_FOLDER}/{sample_id}-{sha256}"


def keep_made(archive: Archive, sample_id: int, made: Manifest, *, owner: str) -> None:
    """Keep it where every host can read it, and here no longer.

    :raises SyncError: an error of the archive
    """
    keep(archive, folder_of(sample_id, made.sha256), {_NAME: made.path}, owner=owner)
    made.path.unlink()


def open_sealed(archive: Archive, sample: Sample) -> BinaryIO:
    """The sealed manifest.

    :raises SyncError: ``SAMPLE_MANIFEST`` when it cannot be read
    """
    folder = folder_of(sample.id, str(sample.manifest_sha256))
    try:
        return archive.open(f"{place_of(folder)}/{_NAME}")
    except SyncError as error:
        raise SyncError("SAMPLE_MANIFEST", detail=f"{error.code} {folder}") from error


def kept_files(session: Session) -> Iterator[tuple[str, int, str]]:
    """Every sealed manifest, for a backup: its key in the archive, size and SHA-256."""
    query = select(Sample.id, Sample.manifest_bytes, Sample.manifest_sha256).order_by(Sample.id)
    for sample_id, size, sha256 in session.execute(
        query.where(Sample.manifest_sha256.is_not(None))
    ):
        yield f"{place_of(folder_of(sample_id, str(sha256)))}/{_NAME}", size or 0, str(sha256)


def make(
    ledger: Ledger,
    sample: Sample,
    home: Path,
    *,
    zone: ZoneInfo,
    told: Callable[[int], None] = lambda _done: None,
) -> Manifest:
    """Write the manifest of one moment to this host's disk; memory does not grow with the month.

    :param home: of the installation; the file lies below it until :func:`keep_made`
    :param told: hears how many documents are written; what it raises ends the work, and no file
        is left
    """
    folder = home / "cache" / _FOLDER
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    draft = folder / f".{sample.id}-{os.urandom(8).hex()}"
    digest, strata, size = hashlib.sha256(), Counter[str](), 0
    try:
        with draft.open("xb") as file:
            for line, type_code in _lines(ledger, sample, zone):
                file.write(line)
                digest.update(line)
                size += len(line)
                if type_code is not None:
                    strata[type_code] += 1
                    told(strata.total())
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return Manifest(draft, digest.hexdigest(), size, strata.total(), dict(strata))


def _lines(ledger: Ledger, sample: Sample, zone: ZoneInfo) -> Iterator[tuple[bytes, str | None]]:
    """Every line, a document's with its type, by the bytes of resource and image number."""
    with ledger.snapshot() as session:
        source = session.get_one(DataSource, sample.data_source_id)
        head = head_line(source.name, sample.month, sample.org_code, sample.bill_type_code)
        yield head, None
        asked = within(sample.data_source_id, month_range(sample.month, zone))
        if sample.org_code:
            asked.append(Document.org_code == sample.org_code)
        if sample.bill_type_code:
            asked.append(Document.bill_type_code == sample.bill_type_code)
        resources = session.scalars(select(Document.resource).where(*asked).distinct())
        for resource in sorted(resources, key=str.encode):
            for page in _pages(session, [*asked, Document.resource == resource]):
                files = _files(session, page)
                for row in page:
                    document = ManifestDocument(
                        resource, row.image_no, row.bill_type_code, tuple(files[row.id])
                    )
                    line = document_line(document)
                    yield line, stratum_of(line).decode()


def _pages(
    session: Session, asked: Sequence[ColumnElement[bool]]
) -> Iterator[Sequence[Row[int, str, str]]]:
    query = select(Document.id, Document.image_no, Document.bill_type_code).where(*asked)
    last = None
    while True:
        more = query if last is None else query.where(Document.image_no > last)
        page = session.execute(more.order_by(Document.image_no).limit(_PAGE)).all()
        if page:
            yield page
        if len(page) < _PAGE:
            return
        last = page[-1].image_no


def _files(session: Session, page: Sequence[Row[int, str, str]]) -> dict[int, list[ManifestFile]]:
    """The archived files of these documents."""
    query = select(
        File.document_id, File.category, File.seq, File.file_id, File.size, File.sha256
    ).where(File.document_id.in_([row.id for row in page]), File.storage_key.is_not(None))
    found: dict[int, list[ManifestFile]] = defaultdict(list)
    for row in session.execute(query):
        file = ManifestFile(row.category, row.seq, row.file_id, row.size or 0, row.sha256 or "")
        found[row.document_id].append(file)
    return found
