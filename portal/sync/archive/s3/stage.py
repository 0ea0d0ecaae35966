"""A document's files on their way to a bucket: in the scratch folder of this host."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from portal.errors import SyncError
from portal.sync.archive.s3.storing import Draft

# What the largest file may have by default, and something for the others under way.
_RESERVE = 256 << 20
#: Names, line by line, the keys whose multipart uploads may have been left unfinished.
_NOTE = ".uploads"
_numbers = itertools.count()
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class S3Stage:
    """A document's files in a folder of the owner's."""

    def __init__(self, root: Path, folder: str) -> None:
        self.root = root
        self.folder = folder
        self._notes: dict[str, tuple[int, str]] = {}
        self._stored: set[str] = set()

    def path(self, name: str) -> Path:
        """Where to write the file ``name`` now."""
        return self.root / name

    def note(self, name: str, *, size: int, sha256: str) -> None:
        """Keep what the file ``name`` is, as it was received and checked."""
        self._notes[name] = (size, sha256)

    def refused(self, error: OSError) -> SyncError:
        """What it means that the disk of this host refuses a write."""
        return scratch_error(error)

    def drafts(self) -> Iterator[Draft]:
        """The files that are not in the store yet."""
        for name, (size, sha256) in self._notes.items():
            if name not in self._stored:
                yield Draft(f"{self.folder}/{name}", self.root / name, size, sha256)

    def unnoted(self) -> list[str]:
        """Files that were written and never noted: nobody would send them."""
        return sorted(
            path.name
            for path in self.root.glob("*")
            if path.name != _NOTE and path.name not in self._notes
        )

    def stored(self, draft: Draft) -> None:
        """Remember that a file is in the store."""
        self._stored.add(draft.path.name)

    def close(self) -> None:
        """Throw away what was not published, and the copy of what was."""
        shutil.rmtree(self.root, ignore_errors=True)


class Scratch:
    """The folders of all owners on this host, below one root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def stage(self, folder: str, owner: str) -> S3Stage:
        """Begin a document.

        :raises SyncError: ARCHIVE_SCRATCH_FULL, ARCHIVE_SCRATCH
        """
        path = self._root / owner / f"{os.getpid()}-{next(_numbers)}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise scratch_error(error) from error
        stage = S3Stage(path, folder)
        try:
            self.check()
        except SyncError:
            stage.close()
            raise
        return stage

    def check(self, size: int = 0) -> None:
        """See that there is room for files under way, and for ``size`` bytes more.

        :raises SyncError: ARCHIVE_SCRATCH_FULL, ARCHIVE_SCRATCH
        """
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._root).free
        except OSError as error:
            raise scratch_error(error) from error
        if free < _RESERVE + size:
            raise SyncError("ARCHIVE_SCRATCH_FULL", free=f"{free >> 20} MiB")

    def owners(self) -> list[str]:
        """Who has a folder here."""
        return sorted(path.name for path in self._root.glob("*/"))

    def left(self, owner: str) -> list[Path]:
        """What an owner has left."""
        return sorted((self._root / owner).glob("*/"))

    def forget(self, owner: str) -> None:
        """Remove an owner's folder, if it is empty."""
        place = self._root / owner
        if place.is_dir() and not any(place.iterdir()):
            shutil.rmtree(place, ignore_errors=True)


def note_upload(draft: Draft) -> None:
    """Keep beside the file that a multipart upload of it is about to begin."""
    with (draft.path.parent / _NOTE).open("a", encoding="utf-8") as file:
        file.write(f"{draft.key}\n")


def noted_uploads(place: Path) -> list[str]:
    """The keys that :func:`note_upload` kept in the place."""
    try:
        return (place / _NOTE).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []


def scratch_error(error: OSError) -> SyncError:
    """The catalogue's word for what the disk of this host refused."""
    if error.errno in _FULL:
        return SyncError("ARCHIVE_SCRATCH_FULL", free="0 MiB")
    return SyncError("ARCHIVE_SCRATCH", detail=error.strerror or type(error).__name__)
