"""The sink of one download: counts, hashes and writes, and refuses what cannot be right."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path

from portal.errors import SyncError
from portal.sync.archive.local import archive_error
from portal.sync.sources.rows import SourceFile

#: Gathered before they are hashed and written: libcurl brings 16 KiB at a time, and each step
#: has a price of its own.
_GATHERED_BYTES = 128 * 1024


class Incoming:
    """A file being received into ``path``; never holds more of it than some 100 KiB.

    :param limit: bytes beyond which the file is refused (compatibility rule)
    :param refused: what it means that the disk refuses a write
    """

    def __init__(
        self,
        path: Path,
        file: SourceFile,
        *,
        limit: int,
        refused: Callable[[OSError], SyncError] = archive_error,
    ) -> None:
        self.path = path
        self.file = file
        self.size = 0
        self._gathered: list[bytes] = []
        self._put_bytes = 0
        self._limit = limit
        self._most = limit if file.size is None else min(file.size, limit)
        self._refused = refused
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if file.md5 else None
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        except OSError as error:
            raise self._refused(error) from error

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        :raises SyncError: when there are more than declared or allowed, or the disk refuses
        """
        self.size += len(data)
        if self.size > self._most:
            raise self._too_much()
        self._gathered.append(data)
        if self.size - self._put_bytes >= _GATHERED_BYTES:
            self._put()

    def _too_much(self) -> SyncError:
        declared = self.file.size
        if declared is not None and self.size > declared:
            return SyncError("FILE_SIZE_MISMATCH", expected=declared, actual=self.size)
        return SyncError("FILE_TOO_LARGE", actual=self.size, limit=self._limit)

    def _put(self) -> None:
        """Hash and write what was gathered."""
        data = b"".join(self._gathered)
        self._gathered.clear()
        self._put_bytes = self.size
        self._sha256.update(data)
        if self._md5:
            self._md5.update(data)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise self._refused(error) from error

    def finish(self) -> str:
        """Close the file, compare it with what was declared, and return its SHA-256.

        :raises SyncError: FILE_SIZE_MISMATCH or FILE_DIGEST_MISMATCH, or when the disk refuses
        """
        try:
            self._put()
        finally:
            self.close()
        if self.file.size is not None and self.size != self.file.size:
            raise SyncError("FILE_SIZE_MISMATCH", expected=self.file.size, actual=self.size)
        digest = self._sha256.hexdigest()
        if self.file.sha256 and not hmac.compare_digest(digest, self.file.sha256):
            raise SyncError("FILE_DIGEST_MISMATCH", algorithm="SHA-256")
        if self._md5 and self._md5.hexdigest() != self.file.md5:
            raise SyncError("FILE_DIGEST_MISMATCH", algorithm="MD5")
        return digest

    def close(self) -> None:
        """Close the file, without what was gathered; more than once is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
