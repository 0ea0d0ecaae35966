"""How many requests were answered how, and how quickly, over all web processes of this host.

Each process counts in a file of its own, which it maps into memory and holds locked; whoever shows
the figures adds all files up. A process that comes after a dead one takes its file over and counts
on, so the files stay few and no figure ever falls.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import struct
import threading
import weakref
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: the upper ends of the buckets; behind the last one there is one more."""
_BUCKETS = len(BOUNDS) + 1
# A record: the key's length, the key, then the buckets and the microseconds spent.
_RECORD, _KEY_BYTES, _RECORDS = 256, 126, 1024
_FIRST_CELL = 128 // 8
_CELLS = _RECORD // 8
# Another layout needs another name: an older process may still be counting.
_NAME = "requests-1"
_OTHER = ("OTHER", "(other)")


@dataclass(slots=True)
class Answered:
    """Requests with one method, route and status."""

    buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    microseconds: int = 0

    @property
    def seconds(self) -> float:
        """Spent on all of them."""
        return self.microseconds / 1e6

    def include(self, other: Answered) -> None:
        """Add others."""
        self.buckets = [one + more for one, more in zip(self.buckets, other.buckets, strict=True)]
        self.microseconds += other.microseconds


Key = tuple[str, str, int]
"""Method, route as it is declared, and status."""


class RequestCounts:
    """This process's counts; its file is opened with the first request, behind any fork.

    :param folder: of the home, the same for all processes of the host
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._pid = 0
        self._file: _CountFile | None = None

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. Never fails: a request is answered also where nothing can be kept."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._file = self._taken()
            if self._file is not None:
                self._file.add((method, route, status), seconds)

    def everybody(self) -> Mapping[Key, Answered]:
        """The counts of all processes of this host, also of those that are gone."""
        total: dict[Key, Answered] = {}
        for path in sorted(self._folder.glob(f"{_NAME}-*.counts")):
            for key, cells in _records(path.read_bytes()):
                counted = Answered(list(cells[:_BUCKETS]), cells[_BUCKETS])
                total.setdefault(key, Answered()).include(counted)
        return total

    def _taken(self) -> _CountFile | None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            number = 0
            while (file := _CountFile.locked(self._folder / f"{_NAME}-{number}.counts")) is None:
                number += 1
        except OSError as error:
            logger.warning("requests are not counted: %s", error)
            return None
        return file


class _CountFile:
    """A file of records that this process alone writes."""

    def __init__(self, descriptor: int) -> None:
        # All of its room is taken now: writing into a mapping for which the disk has none kills.
        os.posix_fallocate(descriptor, 0, _RECORD * _RECORDS)
        self._map = mmap.mmap(descriptor, _RECORD * _RECORDS)
        self._cells = memoryview(self._map).cast("Q")
        kept = _records(self._map[:])
        self._places = {key: place for place, (key, _) in enumerate(kept)}
        weakref.finalize(self, os.close, descriptor)

    @classmethod
    def locked(cls, path: Path) -> _CountFile | None:
        """The file, locked until this process ends; None when another one has it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise

    def add(self, key: Key, seconds: float) -> None:
        place = self._places.get(key)
        if place is None:
            place = self._begun(key)
        first = place * _CELLS + _FIRST_CELL
        # Each is one store of eight bytes: a reader sees the old number or the new one.
        self._cells[first + bisect_left(BOUNDS, seconds)] += 1
        self._cells[first + _BUCKETS] += max(0, round(seconds * 1e6))

    def _begun(self, key: Key) -> int:
        """A record for the key; all that come when nearly no room is left share one."""
        if len(self._places) >= _RECORDS - 1 and key[:2] != _OTHER:
            other = (*_OTHER, 0)
            return self._places[other] if other in self._places else self._begun(other)
        place = len(self._places)
        text = _text(key)
        start = place * _RECORD
        self._map[start + 2 : start + 2 + len(text)] = text
        # The length last: before it the record is not there.
        self._map[start : start + 2] = struct.pack("<H", len(text))
        self._places[key] = place
        return place


def _text(key: Key) -> bytes:
    method, route, status = key
    return f"{method} {status} {route}".encode()[:_KEY_BYTES]


def _records(data: bytes) -> Iterator[tuple[Key, Sequence[int]]]:
    for start in range(0, len(data) - _RECORD + 1, _RECORD):
        (length,) = struct.unpack_from("<H", data, start)
        if not 0 < length <= _KEY_BYTES:
            return
        text = data[start + 2 : start + 2 + length].decode("utf-8", "replace")
        method, status, route = text.split(" ", 2)
        yield (
            (method, route, int(status)),
            struct.unpack_from(f"={_BUCKETS + 1}Q", data, start + 128),
        )
