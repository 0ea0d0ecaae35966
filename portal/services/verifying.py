"""Performing a verification: re-reading the archive and comparing it with the ledger.

Reading goes on beside running batches. What changed in the ledger while it was looked at is looked
at again before anything is blamed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, false, select

from portal.ledger import Ledger
from portal.models import (
    Batch,
    Document,
    DocumentVersion,
    File,
    Verification,
    VerificationFinding,
    VerificationKind,
    VerificationState,
    VerificationStep,
    VersionFile,
    utc_now,
)
from portal.services import verification
from portal.services.counters import differences
from portal.services.extra_files import extra_files
from portal.services.rechecks import Verdict
from portal.services.verification import Seen
from portal.services.verification_scope import documents_after, is_chosen, versions_after
from portal.services.visible_text import escaped
from portal.sync.archive.base import Archive
from portal.sync.archive.reading import damage_of

AnyRow = Row[*tuple[Any, ...]]
_PAGE = 200
_KEEP_SECONDS = 2.0
_LOOKS = 3
_STEPS = (VerificationStep.DOCUMENTS, VerificationStep.VERSIONS, VerificationStep.EXTRA)


class Verifier:
    """Performs one verification that this process has started or taken over; :meth:`run` once.

    :param progress: told after every document or page how far it is
    :param wait: sleeps that many seconds
    """

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        verification_id: int,
        *,
        zone: ZoneInfo,
        progress: Callable[[Verification], None] = lambda _: None,
        clock: Callable[[], datetime] = utc_now,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._zone = zone
        self._progress = progress
        self._clock = clock
        self._wait = wait
        with ledger.read() as session:
            self._run = session.get_one(Verification, verification_id)
        self._seen = Seen(cursor=self._run.cursor)
        self._kept_at = time.monotonic()

    def run(self) -> Verification:
        """Go on from where it is to its end; however it is left, its row says so.

        :raises NotAllowed: when another process has taken it over
        """
        try:
            if self._run.kind is VerificationKind.COUNTERS:
                self._count()
            else:
                self._read()
        except BaseException:
            verification.finish(
                self._ledger, self._run, VerificationState.INTERRUPTED, now=self._clock()
            )
            raise
        verification.finish(self._ledger, self._run, VerificationState.ENDED, now=self._clock())
        return self._run

    def _read(self) -> None:
        everything = self._run.kind is VerificationKind.ALL
        steps = _STEPS if everything else _STEPS[:1]
        for step in steps[steps.index(self._run.step) :]:
            if step is not self._run.step:
                self._run.step = step
                self._seen.cursor = 0
                self._keep()
            if step is VerificationStep.EXTRA:
                self._look_for_extra_files()
            else:
                self._look_at_documents(step)

    def _look_at_documents(self, step: VerificationStep) -> None:
        is_document = step is VerificationStep.DOCUMENTS
        while ids := self._next_ids(step):
            chosen = list(self._choose(ids)) if is_document else ids
            rows = self._rows(step, chosen)
            wanted = set(chosen)
            for row_id in ids:
                if row_id in wanted:
                    self._look_at(step, row_id, rows[row_id])
                self._seen.cursor = row_id
                self._seen.passed += is_document
                if time.monotonic() - self._kept_at >= _KEEP_SECONDS:
                    self._keep()
            self._keep()

    def _next_ids(self, step: VerificationStep) -> Sequence[int]:
        last = self._seen.cursor
        with self._ledger.read() as session:
            if step is VerificationStep.VERSIONS:
                return session.scalars(versions_after(self._run, last, _PAGE)).all()
            return session.scalars(documents_after(self._run, last, _PAGE, self._zone)).all()

    def _choose(self, ids: Sequence[int]) -> Iterator[int]:
        """Those of a page of documents that are to be read; nothing of it is counted yet."""
        chosen = self._run.looked_at
        for position, document_id in enumerate(ids, start=self._run.passed):
            if is_chosen(self._run, position, chosen):
                chosen += 1
                yield document_id

    def _rows(self, step: VerificationStep, ids: Sequence[int]) -> dict[int, list[AnyRow]]:
        """The files by document or version; one without files is a row without a key."""
        query = _document_files(ids) if step is VerificationStep.DOCUMENTS else _version_files(ids)
        rows: dict[int, list[AnyRow]] = {row_id: [] for row_id in ids}
        with self._ledger.read() as session:
            for row in session.execute(query):
                rows[row.row_id].append(row)
        return rows

    def _look_at(self, step: VerificationStep, row_id: int, rows: list[AnyRow]) -> None:
        """Read a document; before it is blamed, see whether it is still the one that was read."""
        codes = self._codes(rows)
        for _ in range(_LOOKS):
            if not any(codes):
                break
            now = self._rows(step, [row_id])[row_id]
            if now == rows:
                break
            rows = now
            codes = self._codes(rows)
        seen = self._seen
        seen.looked_at += 1
        for row, code in zip(rows, codes, strict=True):
            if code is None:
                seen.files += 1
                seen.bytes += row.size
            elif not row.is_known_damaged:
                place = row.storage_key or row.folder or ""
                seen.findings.append(self._finding(code, place, row.document_id, row.image_no))
        seen.documents += step is VerificationStep.DOCUMENTS and bool(rows) and not any(codes)
        self._tell()

    def _codes(self, rows: Sequence[AnyRow]) -> list[str | None]:
        return [damage_of(self._archive, row.storage_key, row.size, row.sha256) for row in rows]

    def _look_for_extra_files(self) -> None:
        verification.forget_findings(self._ledger, self._run, "ARCHIVE_EXTRA")
        part = None
        if self._run.part_no is not None and self._run.part_total is not None:
            part = (self._run.part_no, self._run.part_total)
        pages = extra_files(
            self._ledger, self._archive, part=part, wait=self._wait, clock=self._clock
        )
        for keys in pages:
            self._seen.findings += [self._finding("ARCHIVE_EXTRA", escaped(key)) for key in keys]
            self._tell()
            if time.monotonic() - self._kept_at >= _KEEP_SECONDS or keys:
                self._keep()
        self._keep()

    def _count(self) -> None:
        while True:
            with self._ledger.read() as session:
                query = select(Batch.id).where(Batch.id > self._seen.cursor).order_by(Batch.id)
                if self._run.batch_id is not None:
                    query = query.where(Batch.id == self._run.batch_id)
                batch_id = session.scalar(query.limit(1))
            if batch_id is None:
                return
            for each in differences(self._ledger, batch_id):
                finding = self._finding("LEDGER_COUNT", each.place)
                finding.params = {"kept": each.kept, "counted": each.counted}
                self._seen.findings.append(finding)
            self._seen.looked_at += 1
            self._seen.cursor = batch_id
            self._tell()
            self._keep()

    def _finding(
        self, code: str, place: str, document_id: int | None = None, image_no: str | None = None
    ) -> VerificationFinding:
        return VerificationFinding(
            verification_id=self._run.id,
            code=code,
            storage_key=place[:700],
            document_id=document_id,
            image_no=image_no,
            found_at=self._clock(),
        )

    def _tell(self) -> None:
        """How far it is, with what is not kept yet."""
        run, seen = self._run, self._seen
        self._progress(
            Verification(
                id=run.id,
                kind=run.kind,
                step=run.step,
                total=run.total,
                looked_at=run.looked_at + seen.looked_at,
                documents=run.documents + seen.documents,
                files=run.files + seen.files,
                bytes=run.bytes + seen.bytes,
                findings=run.findings + len(seen.findings),
            )
        )

    def _keep(self) -> None:
        verification.keep(self._ledger, self._run, self._seen, now=self._clock())
        self._seen = Seen(cursor=self._seen.cursor)
        self._kept_at = time.monotonic()


def _document_files(ids: Sequence[int]) -> Select[*tuple[Any, ...]]:
    """Those still archived of the documents, with their files."""
    return (
        select(
            Document.id.label("row_id"),
            Document.id.label("document_id"),
            Document.image_no,
            Document.folder,
            File.storage_key,
            File.size,
            File.sha256,
            false().label("is_known_damaged"),
        )
        .outerjoin(File, File.document_id == Document.id)
        .where(Document.id.in_(ids), Document.archived_at.is_not(None))
        .order_by(Document.id, File.seq, File.id)
    )


def _version_files(ids: Sequence[int]) -> Select[*tuple[Any, ...]]:
    return (
        select(
            DocumentVersion.id.label("row_id"),
            DocumentVersion.document_id,
            Document.image_no,
            DocumentVersion.folder,
            VersionFile.storage_key,
            VersionFile.size,
            VersionFile.sha256,
            (DocumentVersion.reason == Verdict.DAMAGED).label("is_known_damaged"),
        )
        .join(Document, Document.id == DocumentVersion.document_id)
        .outerjoin(VersionFile, VersionFile.version_id == DocumentVersion.id)
        .where(DocumentVersion.id.in_(ids))
        .order_by(DocumentVersion.id, VersionFile.seq, VersionFile.id)
    )
