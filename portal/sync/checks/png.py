"""The structure of a PNG, and its image data, without keeping the picture in memory.

Pillow stops reading when it has all rows and passes over the checksums of the image data; so the
chunks are read here (PNG specification, third edition, sections 5 and 7).
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

from portal.errors import SyncError
from portal.sync.checks.budget import Budget

_SIGNATURE_BYTES = 8
_PIECE = 256 * 1024
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: Adam7: first column, first row, column step, row step of each pass.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_LAST_FILTER = 4


def check_structure(path: str, *, decode: bool) -> None:
    """Check every chunk up to IEND and, with ``decode``, that the image data is all there.

    A picture that takes too long to unpack is then checked by its checksums alone.

    :raises SyncError: FILE_CORRUPT; FILE_HOSTILE for a bomb
    """
    rows: _Rows | None = None
    with open(path, "rb") as file:
        file.seek(_SIGNATURE_BYTES)
        name = b""
        while name != b"IEND":
            length, name = _chunk_header(file)
            if name == b"IHDR":
                header = _checked(file, length, name, None)
                size = os.fstat(file.fileno()).st_size
                rows = _Rows(header, size) if decode else None
            else:
                _checked(file, length, name, rows if name == b"IDAT" else None)
    if rows is not None:
        rows.finish()


def _chunk_header(file: BinaryIO) -> tuple[int, bytes]:
    header = file.read(8)
    if len(header) < 8:
        raise SyncError("FILE_CORRUPT", detail="png: the end is missing")
    return int.from_bytes(header[:4]), header[4:]


def _checked(file: BinaryIO, length: int, name: bytes, rows: _Rows | None) -> bytes:
    """Read a chunk's data, feed it to ``rows``, check its checksum; returns its first piece."""
    first, checksum = None, zlib.crc32(name)
    while length:
        piece = file.read(min(length, _PIECE))
        if not piece:
            raise SyncError("FILE_CORRUPT", detail="png: the end is missing")
        first = first or piece
        checksum = zlib.crc32(piece, checksum)
        length -= len(piece)
        if rows is not None:
            rows.feed(piece)
    stored = file.read(4)
    critical = not name[0] & 0x20  # damage elsewhere does not touch the picture
    if critical and stored != checksum.to_bytes(4):
        raise SyncError("FILE_CORRUPT", detail=f"png: checksum of {name.decode('latin-1')}")
    return first or b""


class _Rows:
    """Inflates the image data and counts it off against what the header promises."""

    def __init__(self, header: bytes, packed: int) -> None:
        self._packed = packed
        self._budget = Budget()
        self._left = False
        width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
        bits = header[8] * _CHANNELS[header[9]]
        self._row = (width * bits + 7) // 8 + 1
        self._interlaced = header[12] == 1
        self._wanted = self._row * height
        if self._interlaced:
            self._wanted = sum(
                _pass_bytes(-(-(width - x) // dx), -(-(height - y) // dy), bits)
                for x, y, dx, dy in _PASSES
            )
        self._seen = 0
        self._inflater = zlib.decompressobj()

    def feed(self, data: bytes) -> None:
        """Take the next piece of the compressed stream; what follows the last row is ignored."""
        while data and self._seen < self._wanted and not self._leaves():
            try:
                rows = self._inflater.decompress(data, _PIECE)
            except zlib.error as error:
                raise SyncError("FILE_CORRUPT", detail="png: broken image data") from error
            if not self._interlaced:
                self._check_filters(rows)
            self._seen += len(rows)
            data = self._inflater.unconsumed_tail

    def finish(self) -> None:
        """Say whether all rows came."""
        if self._left:
            return
        while self._seen < self._wanted and (rows := self._inflater.decompress(b"", _PIECE)):
            self._seen += len(rows)
        if self._seen < self._wanted:
            raise SyncError("FILE_CORRUPT", detail="png: rows are missing")

    def _leaves(self) -> bool:
        """Whether the rest is left as it is, for want of time."""
        if not self._left and self._budget.spent:
            self._budget.leave(self._wanted, self._packed)
            self._left = True
        return self._left

    def _check_filters(self, rows: bytes) -> None:
        filters = rows[-self._seen % self._row :: self._row]
        if max(filters, default=0) > _LAST_FILTER and self._seen < self._wanted:
            raise SyncError("FILE_CORRUPT", detail="png: broken image data")


def _pass_bytes(width: int, height: int, bits: int) -> int:
    return height * ((width * bits + 7) // 8 + 1) if width > 0 and height > 0 else 0
