"""Fetching a single file the way the engine does, to see whether it comes and what it is."""

from __future__ import annotations

import hashlib
import os
import select
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from portal.errors import SyncError
from portal.sync.checks.inspection import FileFacts, InspectionJob
from portal.sync.checks.pool import InspectorPool
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.download import Download, Downloaded
from portal.sync.fetching import Fetcher
from portal.sync.sources.base import Source
from portal.sync.sources.rows import SourceFile
from portal.sync.sources.targets import Target

_WAIT_SECONDS = 1.0


class _Measured:
    """A sink that counts, hashes and keeps, and takes ``limit`` bytes at most."""

    def __init__(self, limit: int, into: BinaryIO) -> None:
        self._into = into
        self._into.seek(0)
        self._into.truncate()
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._limit = limit

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise SyncError("FILE_TOO_LARGE", actual=self.size, limit=self._limit)
        self._into.write(data)
        self.sha256.update(data)
        self.md5.update(data)


def nameless_file(folder: Path) -> BinaryIO:
    """A file in a folder that has no name there and is gone with whoever has it open."""
    return tempfile.TemporaryFile(dir=folder)


def fetch_one(
    source: Source, downloader: Fetcher, file: SourceFile, limit: int, into: BinaryIO
) -> int:
    """Fetch a file and compare it with what is declared of it; its bytes.

    Redirects are followed and a refused token is renewed once, as in a migration.

    :raises SyncError: as a document would fail
    """
    target = source.download_target(file.file_id, file.download_url)
    is_renewed = False
    while True:
        measured = _Measured(limit, into)
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


def inspect_one(file: SourceFile, content: BinaryIO, rules: CompatibilityRules) -> FileFacts:
    """Check a fetched file as a migration does: its type, and whether it opens and decodes.

    :raises SyncError: as a document would fail
    """
    content.flush()
    path = f"/proc/{os.getpid()}/fd/{content.fileno()}"
    # Not called proved: who tries a source wants to see everything that can be seen.
    job = InspectionJob(1, path, file.suffix, file.category, file.page_count, rules)
    with InspectorPool(1) as pool:
        pool.submit(job)
        while True:
            for inspection in pool.collect():
                if inspection.facts is None:
                    raise inspection.error or SyncError("INTERNAL", detail="inspection")
                return inspection.facts
            until = pool.next_deadline()
            patience = _WAIT_SECONDS if until is None else max(0.0, until - time.monotonic())
            select.select([pool], [], [], min(patience, _WAIT_SECONDS))


def _download(downloader: Fetcher, target: Target, measured: _Measured, suffix: str) -> Downloaded:
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
