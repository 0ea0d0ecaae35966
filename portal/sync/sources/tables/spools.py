"""The spools of a host: made once for all its processes, and swept when they are of no more use.

A spool is named after what it was made of and when that was written, so a changed table gets
another one. It is made under a lock file beside it and renamed when it is whole; one that was not
finished is never found under its name.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from portal.errors import SyncError
from portal.sync.sources.tables.spool import Spool

#: Below the home.
FOLDER = "spools"
#: Of the form of spools: another one when they are made differently.
_FORM = 1
#: Spools nobody has asked for so long are removed.
_DAY_SECONDS = 86_400.0
_KEPT_SECONDS = 7 * _DAY_SECONDS
_PAUSE = 0.2


class Spools:
    """The spools of one table.

    :param what: tells the table and how it is read from others, and holds no secret
    :param patience: seconds to wait for a spool that has yet to be made
    """

    def __init__(self, home: Path, what: str, patience: float | None) -> None:
        self._folder = home / FOLDER
        self._name = _digest(f"{_FORM}\n{what}")
        self._patience = patience

    def get(
        self,
        stamp: str,
        make: Callable[[Path, Callable[[], None]], None],
        *,
        sweeping: bool = True,
    ) -> Spool:
        """The spool of the table as it is at ``stamp``; made by ``make`` when there is none.

        :param sweeping: whether those of other stamps are of no use any more
        :param make: fills a new file; calls what it is given now and then
        :raises SyncError: as ``make`` does, ``SRC_SPOOL`` when nothing can be written, or
            ``SRC_TIMEOUT`` when patience ends
        """
        path = self._path(stamp)
        found = self.find(stamp)
        if found is not None:
            return found
        deadline = None if self._patience is None else time.monotonic() + self._patience
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with self._locked(path, deadline):
                if not path.exists():
                    self._make(path, make, deadline)
                self._sweep(path, others=sweeping)
        except (OSError, sqlite3.Error) as error:
            raise SyncError("SRC_SPOOL", detail=str(error)) from error
        return Spool(path)

    def find(self, stamp: str, most_seconds: float = math.inf) -> Spool | None:
        """The spool of that stamp, if it is there and no older; asking keeps it from the sweep."""
        path = self._path(stamp)
        try:
            made_at = path.stat().st_mtime
            if time.time() - made_at > most_seconds:
                return None
            os.utime(path, (time.time(), made_at))
        except OSError:
            return None
        return Spool(path)

    def forget(self, stamp: str) -> None:
        """Remove one, so that the next is made anew."""
        self._path(stamp).unlink(missing_ok=True)

    def _path(self, stamp: str) -> Path:
        return self._folder / f"{self._name}-{_digest(stamp)}.sqlite"

    def _make(
        self, path: Path, make: Callable[[Path, Callable[[], None]], None], deadline: float | None
    ) -> None:
        building = path.with_suffix(".building")
        building.unlink(missing_ok=True)

        def on_step() -> None:
            if deadline is not None and time.monotonic() > deadline:
                raise self._too_late()

        try:
            make(building, on_step)
            building.rename(path)
        finally:
            building.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, path: Path, deadline: float | None) -> Iterator[None]:
        """Hold the lock of one spool: who comes later waits, and finds it made."""
        with path.with_suffix(".lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if deadline else 0))
                    break
                except BlockingIOError:
                    if deadline is not None and time.monotonic() > deadline:
                        raise self._too_late() from None
                    time.sleep(_PAUSE)
            yield

    def _too_late(self) -> SyncError:
        return SyncError("SRC_TIMEOUT", seconds=f"{self._patience:g}")

    def _sweep(self, kept: Path, *, others: bool) -> None:
        """Remove older ones of this table, and what nobody has used for long."""
        now = time.time()
        for path in self._folder.iterdir():
            is_mine = path.name.startswith(f"{self._name}-") and path.suffix == ".sqlite"
            most = _KEPT_SECONDS if not is_mine else 0.0 if others else _DAY_SECONDS
            with contextlib.suppress(OSError):
                found = path.stat()
                if path.stem != kept.stem and now - max(found.st_atime, found.st_mtime) >= most:
                    path.unlink()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
