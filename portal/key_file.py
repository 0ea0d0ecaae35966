"""The file that keeps the secret key, and how another key takes its place.

The new key lies on the disk, beside the old one, before anything is encrypted by it, and takes
the old one's place only when everything is: of whoever dies in between the next one finds both.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from portal.errors import SyncError

_MODE = 0o600


class KeyFile:
    """A key file that may be replaced; what a link names is replaced, not the link."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._next = self._path.with_name(f"{self._path.name}.new")

    def staged(self) -> str | None:
        """The key that is to take the place; None when there is none.

        :raises SyncError: KEY_FILE_UNWRITABLE for what is no file
        """
        with self._told(), suppress(FileNotFoundError):
            return self._next.read_text().strip()
        return None

    def stage(self, key: str) -> None:
        """Have the key on the disk beside the old one, with the same owner and rights.

        :raises SyncError: KEY_FILE_UNWRITABLE
        """
        with self._told():
            is_there = self._path.stat()
            draft = self._next.with_name(f".{self._next.name}.{secrets.token_hex(8)}")
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
            try:
                with os.fdopen(file, "w") as out:
                    out.write(f"{key}\n")
                    out.flush()
                    os.fchmod(file, is_there.st_mode & 0o777)
                    os.fchown(file, is_there.st_uid, is_there.st_gid)
                    os.fsync(file)
                draft.replace(self._next)
            finally:
                draft.unlink(missing_ok=True)
            self._keep_names()

    def swap(self) -> None:
        """The staged key takes the place; the old one is gone.

        :raises SyncError: KEY_FILE_UNWRITABLE
        """
        with self._told():
            self._next.replace(self._path)
            self._keep_names()

    def _keep_names(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise SyncError("KEY_FILE_UNWRITABLE", path=str(self._path), detail=detail) from error
