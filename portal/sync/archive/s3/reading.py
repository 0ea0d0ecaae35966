"""Reading an object: a stretch at a time, so that no connection waits for a slow reader."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from typing import BinaryIO

from portal.errors import SyncError
from portal.sync.archive.s3.bucket import Bucket
from portal.sync.archive.s3.wire import Sink

# The first stretch is all of most files; who reads on is given more at a time.
_FIRST, _MOST = 1 << 20, 8 << 20
_TRIES = 5
_PAUSE = 0.25
_PASSING = frozenset({"ARCHIVE_UNREACHABLE", "ARCHIVE_BUSY"})


def read_stretch(
    bucket: Bucket, key: str, sink: Sink, *, start: int = 0, end: int | None = None
) -> int:
    """Send the bytes from ``start`` to before ``end`` (or the last one) into a sink, whole.

    An answer that breaks off is continued where it ended, as long as that may help.

    :return: how many there were; fewer than asked for where the object ends
    :raises SyncError: ARCHIVE_MISSING, or an error of the archive
    """
    got = 0

    def take(data: bytes) -> None:
        nonlocal got
        if end is not None and start + got + len(data) > end:
            raise SyncError("ARCHIVE_REFUSED", detail="s3:GetObject: more than asked for")
        got += len(data)
        sink(data)

    fruitless = 0
    while True:
        before = got
        try:
            total = bucket.read(key, take, start=start + got, end=end)
        except SyncError as error:
            fruitless = fruitless + 1 if got == before else 1
            if error.code not in _PASSING or fruitless >= _TRIES:
                raise
            time.sleep(_PAUSE * 2 ** (fruitless - 1))
            continue
        last = total if end is None else min(end, total) if total is not None else None
        if last is not None and start + got < last and got > before:
            continue  # the server ended the answer early, and called it whole
        if last is not None and start + got < last:
            raise SyncError("ARCHIVE_UNREACHABLE", detail="s3:GetObject: truncated")
        return got


def digest_of(bucket: Bucket, key: str) -> tuple[int, str]:
    """Size and SHA-256 of what the store gives back; nothing of it is kept.

    :raises SyncError: ARCHIVE_MISSING, or an error of the archive
    """
    digest = hashlib.sha256()
    return read_stretch(bucket, key, digest.update), digest.hexdigest()


class _Stretches(io.RawIOBase):
    """An object as a file that can be read at any place; holds at most ``_MOST`` bytes."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        self._at = 0
        self._span = _FIRST
        self._start, self._held = 0, read(0, _FIRST)
        self._size = len(self._held) if len(self._held) < _FIRST else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end is not known before it is read")
        place = offset + (self._at if whence == io.SEEK_CUR else 0)
        if place < 0:
            raise ValueError("a place before the beginning")
        self._at = place
        return place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not len(buffer) or (self._size is not None and self._at >= self._size):
            return 0
        offset = self._at - self._start
        if not 0 <= offset < len(self._held):
            self._fill()
            offset = 0
        taken = self._held[offset : offset + len(buffer)]
        buffer[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)

    def _fill(self) -> None:
        goes_on = self._at == self._start + len(self._held)
        self._span = min(self._span * 2, _MOST) if goes_on else _FIRST
        self._held = b""  # what was held is not needed beside what comes
        self._start, self._held = self._at, self._read(self._at, self._at + self._span)
        if len(self._held) < self._span:
            self._size = self._start + len(self._held)


def opened(bucket: Bucket, key: str) -> BinaryIO:
    """Open an object for reading; it is there, and its beginning has been read.

    :raises SyncError: ARCHIVE_MISSING, or an error of the archive; so does reading on
    """

    def read(start: int, end: int) -> bytes:
        pieces: list[bytes] = []
        read_stretch(bucket, key, pieces.append, start=start, end=end)
        return b"".join(pieces)

    return io.BufferedReader(_Stretches(read), 64 * 1024)
