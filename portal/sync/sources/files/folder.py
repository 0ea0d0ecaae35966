"""Files of a folder, opened name by name, so that no link and no pipe is ever followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from portal.errors import SyncError
from portal.sync.answers import one_line
from portal.sync.folder_fetching import FolderFetcher
from portal.sync.sources.files.paths import BadPath, parts_of
from portal.sync.sources.targets import Target

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PIECE = 1 << 20
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
#: What a target's address begins with; no URL of HTTP does.
SCHEME = "file:"


class FolderFiles:
    """A :class:`portal.sync.sources.files.base.FileStore`; a folder of this host.

    :param ours: the installation's home, which no source may be in or around
    """

    def __init__(self, root: Path, ours: Path) -> None:
        self._root = root
        self._ours = ours
        self._is_judged = False

    def check(self) -> None:
        """An empty folder is what a share that is not mounted looks like."""
        descriptor = self._open_root()
        try:
            with os.scandir(descriptor) as entries:
                if next(entries, None) is None:
                    raise self._place_error("空的，可能没有挂载 empty, maybe not mounted")
        except OSError as error:
            raise self._place_error(error.strerror or "") from error
        finally:
            os.close(descriptor)

    def target(self, path: str) -> Target:
        """The path itself; whether it is safe is seen when it is opened."""
        return Target(SCHEME + path)

    def redirect_target(self, target: Target, location: str) -> Target:
        """A folder redirects nowhere."""
        raise SyncError("SRC_BAD_ANSWER", detail="redirect")

    def look(self, path: str) -> None:
        """Open it and close it again."""
        os.close(self.open(path))

    def stamp(self, path: str) -> str:
        """Inode, size and times."""
        descriptor = self.open(path)
        try:
            return _stamp(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def copy(self, path: str, into: BinaryIO) -> None:
        """Read it through; what it is at the end must be what it was."""
        descriptor = self.open(path)
        try:
            before = _stamp(os.fstat(descriptor))
            while piece := os.read(descriptor, _PIECE):
                into.write(piece)
            if _stamp(os.fstat(descriptor)) != before:
                raise SyncError("SRC_MANIFEST_CHANGED", name=path)
        except OSError as error:
            raise unreadable(path, error) from error
        finally:
            os.close(descriptor)

    def fetcher(self) -> FolderFetcher:
        """Reads in threads of its own: a share may be slow."""
        return FolderFetcher(lambda url: self.open(url.removeprefix(SCHEME)))

    def open(self, path: str) -> int:
        """The descriptor of a regular file, which the caller closes.

        :raises SyncError: ``SRC_FILE_MISSING``, ``SRC_FILE_UNSAFE``, ``SRC_FILE_UNREADABLE`` or
            ``SRC_PLACE``
        """
        try:
            parts = parts_of(path)
        except BadPath as error:
            raise SyncError(
                "SRC_FILE_UNSAFE", path=one_line(path, 300), detail=str(error)
            ) from None
        folder = self._open_root()
        try:
            for part in parts[:-1]:
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            return self._opened_file(folder, parts, path)
        except OSError as error:
            raise self._open_error(folder, parts, path, error) from error
        finally:
            os.close(folder)

    def close(self) -> None:
        """Nothing is kept open."""

    def _opened_file(self, folder: int, parts: Sequence[str], path: str) -> int:
        file = os.open(parts[-1], _FILE, dir_fd=folder)
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
        raise SyncError("SRC_FILE_UNSAFE", path=path, detail="不是普通文件 not a regular file")

    def _open_error(
        self, folder: int, parts: Sequence[str], path: str, error: OSError
    ) -> SyncError:
        """A link shows as ELOOP, and on the way as ENOTDIR like a file in a folder's place."""
        name = error.filename if isinstance(error.filename, str) else parts[-1]
        if error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and _is_link(name, folder)):
            return SyncError("SRC_FILE_UNSAFE", path=path, detail="符号链接 a symbolic link")
        if error.errno in _ABSENT:
            return SyncError("SRC_FILE_MISSING", path=path)
        if error.errno == errno.ENXIO:
            return SyncError("SRC_FILE_UNSAFE", path=path, detail="不是普通文件 not a regular file")
        return unreadable(path, error)

    def _open_root(self) -> int:
        if not self._is_judged:
            real, ours = os.path.realpath(self._root), os.path.realpath(self._ours)
            if os.path.commonpath((real, ours)) in (real, ours):
                raise SyncError("SRC_PLACE_OURS", place=str(self._root))
            self._is_judged = True
        try:
            return os.open(self._root, _FOLDER)
        except OSError as error:
            raise self._place_error(error.strerror or "") from error

    def _place_error(self, detail: str) -> SyncError:
        return SyncError("SRC_PLACE", place=str(self._root), detail=detail)


def unreadable(path: str, error: OSError) -> SyncError:
    """What a file that cannot be read is, in the catalogue's words."""
    return SyncError("SRC_FILE_UNREADABLE", path=path, detail=error.strerror or "")


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
