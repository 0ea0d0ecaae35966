"""A ZIP written from front to back, with nothing to go back to and nothing kept in memory.

The standard library's writer can do that only with the checksum *behind* each file, which some
programs refuse for files that are not compressed, and it keeps a record of every file until the
end. Here checksum and size are known before a file is sent, and the list at the end waits on disk.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from datetime import datetime

_UTF8_NAMES = 0x0800
_STORED = 0
_NEEDS, _NEEDS_ZIP64 = 20, 45
_MADE_BY_UNIX = 3 << 8
_PLAIN_FILE = 0o100644 << 16
_LARGE, _MANY = 0xFFFFFFFF, 0xFFFF
_CHUNK = 1 << 18
_EARLIEST = 1980


class ZipStream:
    """Gives the bytes around the files: a header before each, and :meth:`end` after the last one.

    The caller sends each header followed by exactly as many bytes as it named. Close it in the
    end, whatever happened.
    """

    def __init__(self) -> None:
        self._list = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._offset = 0
        self._count = 0

    def header(self, name: str, *, size: int, crc: int, at: datetime) -> bytes:
        """What stands before a file.

        :param at: local time that is shown as the file's
        """
        path = name.encode()
        large = size >= _LARGE
        extra = struct.pack("<HHQQ", 1, 16, size, size) if large else b""
        shown = _LARGE if large else size
        time, day = _dos(at)
        common = struct.pack(
            "<HHHHHLLLHH",
            *(_NEEDS_ZIP64 if large else _NEEDS, _UTF8_NAMES, _STORED, time, day),
            *(crc, shown, shown, len(path), len(extra)),
        )
        header = b"PK\x03\x04" + common + path + extra
        self._note(path, size=size, crc=crc, time=time, day=day)
        self._offset += len(header) + size
        return header

    def end(self) -> Iterator[bytes]:
        """The list of all files, without which no program takes the ZIP for whole."""
        start, length = self._offset, self._list.tell()
        self._list.seek(0)
        while chunk := self._list.read(_CHUNK):
            yield chunk
        if self._count >= _MANY or start >= _LARGE or length >= _LARGE:
            yield struct.pack(
                "<4sQHHLLQQQQ",
                *(b"PK\x06\x06", 44, _MADE_BY_UNIX | _NEEDS_ZIP64, _NEEDS_ZIP64, 0, 0),
                *(self._count, self._count, length, start),
            )
            yield struct.pack("<4sLQL", b"PK\x06\x07", 0, start + length, 1)
        count = min(self._count, _MANY)
        yield struct.pack(
            "<4sHHHHLLH",
            *(b"PK\x05\x06", 0, 0, count, count, min(length, _LARGE), min(start, _LARGE), 0),
        )

    def close(self) -> None:
        """Let go of the list."""
        self._list.close()

    def _note(self, path: bytes, *, size: int, crc: int, time: int, day: int) -> None:
        fields = []
        if size >= _LARGE:
            fields += [size, size]
        if self._offset >= _LARGE:
            fields.append(self._offset)
        extra = struct.pack(f"<HH{len(fields)}Q", 1, 8 * len(fields), *fields) if fields else b""
        needs = _NEEDS_ZIP64 if fields else _NEEDS
        shown = min(size, _LARGE)
        self._list.write(
            struct.pack(
                "<4sHHHHHHLLLHHHHHLL",
                *(b"PK\x01\x02", _MADE_BY_UNIX | needs, needs, _UTF8_NAMES, _STORED, time, day),
                *(crc, shown, shown, len(path), len(extra), 0, 0, 0, _PLAIN_FILE),
                min(self._offset, _LARGE),
            )
        )
        self._list.write(path + extra)
        self._count += 1


def _dos(at: datetime) -> tuple[int, int]:
    """Time and day as a ZIP has them, to two seconds."""
    if at.year < _EARLIEST:
        return 0, (1 << 5) | 1
    time = at.hour << 11 | at.minute << 5 | at.second // 2
    return time, min(at.year - _EARLIEST, 127) << 9 | at.month << 5 | at.day
