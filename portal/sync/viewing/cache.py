"""Pictures drawn before, in a folder that all web processes of a home share."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from pathlib import Path

from portal.sync.viewing.picture import Rendition

_log = logging.getLogger(__name__)

#: Part of every name; to be counted up when the same file is drawn differently than before.
_DRAWN_AS = "v1"


class RenditionCache:
    """At most ``max_bytes`` of pictures; those that were not looked at for longest go first.

    Any number of threads and processes may share the folder. A cache that cannot be read or
    written costs time, never the picture: that is logged, not raised.

    :param folder: made when it is needed, such as ``cache/renditions`` below the home
    """

    def __init__(self, folder: Path, max_bytes: int = 512 * 1024 * 1024) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def get(self, sha256: str, page: int, width: int) -> Rendition | None:
        """The picture of a page of the file with this digest, if it is there and whole."""
        path = self._path(sha256, page, width)
        try:
            found = Rendition.from_bytes(path.read_bytes())
            os.utime(path)  # it was looked at just now
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("unreadable picture in the cache, %s: %s", path, error)
            return None
        return found

    def put(self, sha256: str, page: int, width: int, drawn: Rendition) -> None:
        """Keep a picture; readers see all of it or nothing."""
        try:
            self._write(self._path(sha256, page, width), drawn.to_bytes())
            self._trim()
        except OSError as error:
            _log.warning("the cache of pictures cannot be written: %s", error)

    def _path(self, sha256: str, page: int, width: int) -> Path:
        return self._folder / f"{sha256}-{page}-{width}-{_DRAWN_AS}"

    def _write(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".", dir=self._folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):  # another process may have trimmed it
                os.unlink(name)
            raise

    def _trim(self) -> None:
        """Remove the oldest until the rest fits; what a crash left half-written grows old too."""
        entries = []
        with os.scandir(self._folder) as listing:
            for entry in listing:
                with contextlib.suppress(FileNotFoundError):  # trimmed by another process
                    status = entry.stat()
                    entries.append((status.st_mtime_ns, status.st_size, entry.path))
        excess = sum(size for _, size, _ in entries) - self._max_bytes
        for _, size, path in sorted(entries):
            if excess <= 0:
                return
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            excess -= size
