"""Fetching a single file the way the engine does, without keeping it: to see whether it comes."""

from __future__ import annotations

import hashlib

from portal.errors import SyncError
from portal.sync.download import Download, Downloaded, Downloader
from portal.sync.sources.base import Source
from portal.sync.sources.rows import SourceFile
from portal.sync.sources.targets import Target

_WAIT_SECONDS = 1.0


class _Measured:
    """A sink that counts and hashes, and takes ``limit`` bytes at most."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._limit = limit

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise SyncError("FILE_TOO_LARGE", actual=self.size, limit=self._limit)
        self.sha256.update(data)
        self.md5.update(data)


def fetch_one(source: Source, downloader: Downloader, file: SourceFile, limit: int) -> int:
    """Fetch a file and compare it with what is declared of it; its bytes.

    Redirects are followed and a refused token is renewed once, as in a migration.

    :raises SyncError: as a document would fail
    """
    target = source.download_target(file.file_id, file.download_url)
    is_renewed = False
    while True:
        measured = _Measured(limit)
        ended = _download(downloader, target, measured, file.suffix)
        if ended.redirect is not None:
            target = source.redirect_target(target, ended.redirect)
        elif ended.status == 401 and target.token is not None and not is_renewed:
            is_renewed = True
            source.renew_token(target.token)
            target = source.download_target(file.file_id, file.download_url)
        elif ended.error is not None:
            raise ended.error
        else:
            _compare(file, measured)
            return measured.size


def _download(
    downloader: Downloader, target: Target, measured: _Measured, suffix: str
) -> Downloaded:
    downloader.start(Download(1, target.url, target.headers, measured, suffix))
    while True:
        for ended in downloader.wait(_WAIT_SECONDS):
            return ended


def _compare(file: SourceFile, measured: _Measured) -> None:
    if file.size is not None and file.size != measured.size:
        raise SyncError("FILE_SIZE_MISMATCH", expected=file.size, actual=measured.size)
    if file.sha256 is not None and file.sha256 != measured.sha256.hexdigest():
        raise SyncError("FILE_DIGEST_MISMATCH", algorithm="SHA-256")
    if file.md5 is not None and file.md5 != measured.md5.hexdigest():
        raise SyncError("FILE_DIGEST_MISMATCH", algorithm="MD5")
