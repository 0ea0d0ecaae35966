"""The documents' files of all backups in one place: each content once, named by its SHA-256.

A file of the archive never changes, so a backup adds only what no earlier one brought. A content's
name is its digest: neither two documents nor two histories of one folder (before and after a
restore) can be taken for each other. A file gets its name only when it is on the disk.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from portal.sync.archive.flushing import sync_file_system

FOLDER = "archive"
_NEW = ".new"
_CHUNK = 1 << 20
# So much is flushed to the disk at once.
_MOST_FILES, _MOST_BYTES = 2000, 1 << 30


class Store:
    """The folder ``archive`` of a place for backups; for one writer at a time."""

    def __init__(self, place: Path) -> None:
        self._root = place / FOLDER
        self._waiting: dict[str, None] = {}  # in order, looked up often
        self._waiting_bytes = 0

    def path(self, sha256: str) -> Path:
        """Where a content lies, if it is there."""
        return self._root / sha256[:2] / sha256[2:4] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Whether the content is there, by name and size."""
        if sha256 in self._waiting:
            return True
        try:
            return self.path(sha256).stat().st_size == size
        except FileNotFoundError:
            return False

    def add(self, source: BinaryIO, sha256: str) -> bool:
        """Copy a content; False, and nothing is kept, when it is not what its digest says.

        :raises OSError: when it cannot be written
        """
        new = self._root / _NEW
        new.mkdir(parents=True, exist_ok=True)
        found = hashlib.sha256()
        path = new / sha256
        with path.open("wb") as file:
            while chunk := _piece(source):
                found.update(chunk)
                file.write(chunk)
                self._waiting_bytes += len(chunk)
        if found.hexdigest() != sha256:
            path.unlink()
            return False
        self._waiting[sha256] = None
        if len(self._waiting) >= _MOST_FILES or self._waiting_bytes >= _MOST_BYTES:
            self.flush()
        return True

    def flush(self) -> None:
        """Put everything added on the disk and under its name."""
        if not self._waiting:
            return
        sync_file_system(self._root)
        for sha256 in self._waiting:
            target = self.path(sha256)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._root / _NEW / sha256, target)
        self._waiting.clear()
        self._waiting_bytes = 0

    def is_sound(self, sha256: str) -> bool:
        """Read a content again and compare it with its name."""
        return self.copy(sha256, None)

    def copy(self, sha256: str, target: BinaryIO | None) -> bool:
        """Write a content to ``target``; whether it is there and what its name says.

        :raises OSError: when it cannot be written
        """
        found = hashlib.sha256()
        try:
            source = self.path(sha256).open("rb")
        except OSError:
            return False
        with source:
            while chunk := _piece(source):
                found.update(chunk)
                if target is not None:
                    target.write(chunk)
        return found.hexdigest() == sha256


def _piece(source: BinaryIO) -> bytes:
    """What cannot be read ends the file; its digest then tells."""
    try:
        return source.read(_CHUNK)
    except OSError:
        return b""
