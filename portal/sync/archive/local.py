"""The archive in a local folder.

A document is written to ``.incoming/<owner>/<n>/`` and published by one rename of that folder, so
a reader sees all of its files or none. Before the rename the bytes and entries are on disk, after
it the parent folder is; only then does the ledger commit.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from portal.errors import SyncError
from portal.sync.archive.base import Stage
from portal.sync.archive.flushing import flush, flush_folders

INCOMING = ".incoming"
# No worker's slot has this name, so nobody ever sweeps it.
ASIDE = "aside"
_PROBE_BYTES = 1 << 20
# Folders within folders; a document's is the third. Deeper ones are told of as if they were files.
_DEEPEST = 8
_numbers = itertools.count()


class LocalStage:
    """A document's files in a folder below ``.incoming``."""

    def __init__(self, root: Path, folder: str) -> None:
        self.root = root
        self.folder = folder
        self.published = False

    def path(self, name: str) -> Path:
        """Where to write the file ``name`` now."""
        return self.root / name

    def note(self, name: str, *, size: int, sha256: str) -> None:
        """Nothing more is done to the bytes before they are where they stay."""

    def refused(self, error: OSError) -> SyncError:
        """What the archive's own file system refused."""
        return archive_error(error)

    def close(self) -> None:
        """Throw away what was not published."""
        if not self.published:
            shutil.rmtree(self.root, ignore_errors=True)


class LocalArchive:
    """Folders below one root; see :class:`portal.sync.archive.base.Archive` for the promises."""

    looks_are_cheap = True

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known_parents: set[Path] = set()

    @property
    def root(self) -> Path:
        """The folder of it all."""
        return self._root

    def stage(self, folder: str, *, owner: str) -> LocalStage:
        """Begin a document in a new folder of the owner's."""
        path = self._root / INCOMING / owner / f"{os.getpid()}-{next(_numbers)}"
        with _translated():
            path.mkdir(parents=True)
        return LocalStage(path, folder)

    def publish(self, stages: Sequence[Stage]) -> None:
        """Flush the files, rename the folders into place, flush the parents."""
        local = [stage for stage in stages if isinstance(stage, LocalStage)]
        with _translated():
            flush_folders(self._root, [stage.root for stage in local])
            parents: dict[Path, None] = {}
            for stage in local:
                target = self._root / stage.folder
                self._make_parent(target.parent)
                stage.root.rename(target)
                stage.published = True
                parents[target.parent] = None
            for parent in parents:
                flush(parent)

    def remove(self, *folders: str) -> None:
        """Remove folders; their absence is fine."""
        for path in [self._inside(folder) for folder in folders]:
            shutil.rmtree(path, ignore_errors=True)

    def put_aside(self, folder: str) -> None:
        """Take a folder out of every reader's sight without removing it, to ``.incoming/aside``."""
        place = self._root / INCOMING / ASIDE / folder
        with _translated():
            place.parent.mkdir(parents=True, exist_ok=True)
            while place.exists():
                place = place.with_name(f"{place.name}+")
            os.rename(self._inside(folder), place)

    def present(self, folders: Collection[str]) -> frozenset[str]:
        """Those of the folders that are there."""
        return frozenset(folder for folder in folders if os.path.isdir(self._inside(folder)))

    def open(self, key: str) -> BinaryIO:
        """Open an archived file for reading; a pipe or a device in its place is not waited for."""
        try:
            descriptor = os.open(self._inside(key), os.O_RDONLY | os.O_NONBLOCK)
            kind = os.fstat(descriptor).st_mode
            if stat.S_ISREG(kind):
                return os.fdopen(descriptor, "rb")
            os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            raise SyncError("ARCHIVE_MISSING") from None
        raise SyncError("ARCHIVE_MISSING" if stat.S_ISDIR(kind) else "ARCHIVE_DAMAGED")

    def holds(self, key: str) -> bool:
        """Also when it is a link to nowhere."""
        return os.path.lexists(self._root / key)

    def walk(self) -> Iterator[tuple[str, int]]:
        """Every published file, also one in a place no document has.

        What vanishes while we look is not reported. No folder's list of names is ever held.
        """
        yield from _files_below(self._root, "", 0)

    def sweep(self, owner: str) -> int:
        """Remove what this slot left in ``.incoming``."""
        place = self._root / INCOMING / owner
        left = sum(1 for _ in place.iterdir()) if place.is_dir() else 0
        shutil.rmtree(place, ignore_errors=True)
        return left

    def tidy(self, now: datetime) -> int:
        """Nothing: what is unpublished stands below its owner's name."""
        return 0

    def probe(self, size: int) -> None:
        """Write a file into ``.incoming`` and remove it."""
        place = self._root / INCOMING
        path = place / ".probe"
        with _translated():
            place.mkdir(parents=True, exist_ok=True)
            try:
                with path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, max(size, _PROBE_BYTES))
                    file.write(b"probe")
                    file.flush()
                    os.fsync(file.fileno())
            finally:
                path.unlink(missing_ok=True)

    def owners(self) -> list[str]:
        """The slots with a place in ``.incoming``."""
        place = self._root / INCOMING
        return sorted(path.name for path in place.glob("*/")) if place.is_dir() else []

    def free_bytes(self) -> int | None:
        """Free space on the file system of the root, or of the nearest folder that exists."""
        place = self._root
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    def _inside(self, key: str) -> str:
        # No Path: Python interns its every part, and the table of what is interned never shrinks.
        path = os.path.join(self._root, key)
        if not os.path.realpath(path).startswith(os.path.join(os.path.realpath(self._root), "")):
            raise SyncError("ARCHIVE_MISSING")
        return path

    def _make_parent(self, parent: Path) -> None:
        """Make the parent folders and their own entries durable, once."""
        if parent in self._known_parents and parent.is_dir():
            return
        missing = [place for place in (parent, *parent.parents) if not place.exists()]
        parent.mkdir(parents=True, exist_ok=True)
        # Those inside the root another process may have made just now and not flushed yet.
        inside = [place for place in parent.parents if place.is_relative_to(self._root)]
        for place in dict.fromkeys([*inside, *(place.parent for place in missing)]):
            flush(place)
        self._known_parents.add(parent)


def _files_below(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if depth == _DEEPEST:
                    yield f"{prefix}{entry.name}", 0
                elif prefix or not entry.name.startswith("."):
                    below = f"{prefix}{entry.name}/"
                    yield from _files_below(folder / entry.name, below, depth + 1)
                continue
            with contextlib.suppress(FileNotFoundError):
                yield f"{prefix}{entry.name}", entry.stat(follow_symlinks=False).st_size


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def archive_error(error: OSError) -> SyncError:
    """The catalogue's word for what the file system refused."""
    if error.errno in FULL:
        return SyncError("ARCHIVE_FULL")
    return SyncError("ARCHIVE_UNWRITABLE", detail=error.strerror or type(error).__name__)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise archive_error(error) from error
