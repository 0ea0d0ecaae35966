"""打包下载: what is archived of the selected documents, as one ZIP that is made while it is sent.

Every file is read twice: first to see that it is what the ledger says, then to be sent. So no
byte of a damaged file is ever sent as a sound one. Where one is damaged, the manifest is the last
thing that is sent, the ZIP gets no end, and no program takes it for whole.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select

from portal.errors import PortalError, SyncError, reason
from portal.models import DataSource, Document, File, utc_now
from portal.services import csv_text, selected_documents
from portal.services.package_names import TakenNames, file_name, folder_name
from portal.services.selected_documents import View
from portal.services.selection import Selection
from portal.services.zip_stream import ZipStream
from portal.sync.archive.base import Archive

MANIFEST = "清单_manifest.csv"
FOLDERS: Mapping[str, str] = {"cover": "封面", "invoice": "发票", "attachment": "附件"}
_HEADINGS = (
    *("影像编号 image_no", "单据编号 bill_no", "来源系统 resource", "数据源 source"),
    *("类别 category", "原文件名 original name", "包内路径 path", "大小 size", "SHA-256"),
    "状态 state",
)
_DOCUMENTS = 100
_CHUNK = 1 << 18
AnyRow = Row[*tuple[Any, ...]]
# What it returns in the end is why it broke off, if it did.
_Parts = Generator[bytes, None, SyncError | None]


class PackageBroken(PortalError):
    """The ZIP ends without its end, because a file is not what the ledger says."""


@dataclass(slots=True)
class Tally:
    """What has been sent so far; ``absent`` are documents that are not in the archive."""

    documents: int = 0
    files: int = 0
    bytes: int = 0
    absent: int = 0
    damaged: str = ""
    """The storage key of the file at which it broke off."""


class Package:
    """One ZIP being made; iterate once over :meth:`parts`.

    :param zone: for the times that are shown
    """

    def __init__(
        self, view: View, archive: Archive, selection: Selection, *, zone: ZoneInfo
    ) -> None:
        self.tally = Tally()
        self._view = view
        self._archive = archive
        self._selection = selection
        self._zone = zone

    def parts(self) -> Iterator[bytes]:
        """The ZIP's bytes.

        :raises PackageBroken: behind the manifest, when a file is damaged or missing
        """
        self._zip = ZipStream()
        self._folders, self._names = TakenNames(), TakenNames()
        self._folders.take(MANIFEST)
        self._manifest = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
        try:
            self._tell(*_HEADINGS, mark=csv_text.MARK)
            broken = yield from self._documents()
            yield from self._send_manifest()
            if broken is not None:
                raise PackageBroken(
                    f"归档文件与账本不一致，打包中止：{self.tally.damaged}",
                    f"an archived file is not what the ledger says: {self.tally.damaged}",
                ) from broken
            yield from self._zip.end()
        finally:
            self._manifest.close()
            self._folders.close()
            self._names.close()
            self._zip.close()

    def _documents(self) -> _Parts:
        found = selected_documents.pages(
            self._view, self._selection, zone=self._zone, size=_DOCUMENTS
        )
        for ids in found:
            documents, files = self._read(ids)
            for document in documents:
                broken = yield from self._document(document, files[document.id])
                if broken is not None:
                    return broken
        return None

    def _read(self, ids: Sequence[int]) -> tuple[Sequence[AnyRow], Mapping[int, list[AnyRow]]]:
        with self._view() as session:
            documents = session.execute(
                select(
                    Document.id,
                    Document.image_no,
                    Document.bill_no,
                    Document.resource,
                    Document.archived_at,
                    DataSource.name.label("source"),
                )
                .join(DataSource, DataSource.id == Document.data_source_id)
                .where(Document.id.in_(ids))
                .order_by(Document.id)
            ).all()
            archived = [row.id for row in documents if row.archived_at is not None]
            rows = session.execute(
                select(
                    File.document_id,
                    File.file_id,
                    File.category,
                    File.name,
                    File.suffix,
                    File.storage_key,
                    File.size,
                    File.sha256,
                    File.stored_at,
                )
                .where(File.document_id.in_(archived))
                .order_by(File.document_id, File.seq, File.id)
            ).all()
        files: dict[int, list[AnyRow]] = defaultdict(list)
        for row in rows:
            files[row.document_id].append(row)
        return documents, files

    def _document(self, document: AnyRow, files: Sequence[AnyRow]) -> _Parts:
        about = (document.image_no, document.bill_no, document.resource, document.source)
        if document.archived_at is None:
            self.tally.absent += 1
            self._tell(*about, *("",) * 5, "未归档 not archived")
            return None
        folder = self._folders.take(folder_name(document.image_no, document.bill_no))
        self._names.forget()
        for file in files:
            place = FOLDERS[file.category]
            name = self._names.take(f"{place}/{file_name(file.name or file.file_id, file.suffix)}")
            path = f"{folder}/{name}"
            told = (*about, place, file.name, path)
            try:
                yield from self._file(file, path)
            except SyncError as error:
                self.tally.damaged = file.storage_key or f"{document.image_no}/{file.file_id}"
                why = reason(error.code, error.params, "zh")
                self._tell(*told, file.size, file.sha256, f"{error.code} {why}")
                return error
            self._tell(*told, file.size, file.sha256, "一致 matches")
        self.tally.documents += 1
        return None

    def _file(self, file: AnyRow, path: str) -> Iterator[bytes]:
        with self._opened(file.storage_key) as stream:
            crc = _checked(stream, file)
            stream.seek(0)
            at = file.stored_at.astimezone(self._zone)
            yield self._zip.header(path, size=file.size, crc=crc, at=at)
            left, again = file.size, 0
            while left:
                chunk = _read(stream, min(_CHUNK, left))
                if not chunk:
                    raise SyncError("ARCHIVE_DAMAGED")
                again = zlib.crc32(chunk, again)
                left -= len(chunk)
                yield chunk
            if again != crc:
                raise SyncError("ARCHIVE_DAMAGED")
        self.tally.files += 1
        self.tally.bytes += file.size

    def _opened(self, key: str | None) -> BinaryIO:
        if key is None:
            raise SyncError("ARCHIVE_MISSING")
        try:
            return self._archive.open(key)
        except OSError:
            raise SyncError("ARCHIVE_DAMAGED") from None

    def _tell(self, *cells: object, mark: str = "") -> None:
        self._manifest.write((mark + csv_text.line(cells)).encode("utf-8", "replace"))

    def _send_manifest(self) -> Iterator[bytes]:
        size, crc = self._manifest.tell(), 0
        for chunk in self._manifest_chunks():
            crc = zlib.crc32(chunk, crc)
        now = utc_now().astimezone(self._zone)
        yield self._zip.header(MANIFEST, size=size, crc=crc, at=now)
        yield from self._manifest_chunks()

    def _manifest_chunks(self) -> Iterator[bytes]:
        self._manifest.seek(0)
        while chunk := self._manifest.read(_CHUNK):
            yield chunk


def _checked(stream: BinaryIO, file: AnyRow) -> int:
    """The file's checksum for the ZIP.

    :raises SyncError: ARCHIVE_DAMAGED when its size or digest is not what the ledger says
    """
    digest, crc, size = hashlib.sha256(), 0, 0
    while chunk := _read(stream, _CHUNK):
        digest.update(chunk)
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
    if (size, digest.hexdigest()) != (file.size, file.sha256):
        raise SyncError("ARCHIVE_DAMAGED")
    return crc


def _read(stream: BinaryIO, most: int) -> bytes:
    try:
        return stream.read(most)
    except OSError:
        raise SyncError("ARCHIVE_DAMAGED") from None


def package_name(selection: Selection, at: datetime) -> str:
    """The name a browser saves it under."""
    what = selection.batch_nos[0] if len(selection.batch_nos) == 1 else "影像单据"
    return f"{what}_{at:%Y%m%d-%H%M%S}.zip"
