"""Whether a BMP or WebP reaches as far as its own header says."""

from __future__ import annotations

import os

from portal.errors import SyncError

_UNCOMPRESSED = frozenset({0, 3})


def check(path: str, kind: str) -> None:
    """:raises SyncError: FILE_CORRUPT if the end is missing."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if kind == "webp":
            whole = 8 + int.from_bytes(file.read(8)[4:], "little") <= size
        else:
            whole = _bitmap_end(file.read(34)) <= size
    if not whole:
        raise SyncError("FILE_CORRUPT", detail=f"{kind}: the end is missing")


def _bitmap_end(header: bytes) -> int:
    """Where the pixels of an uncompressed bitmap end; 0 for others, which decoding judges."""
    if int.from_bytes(header[14:18], "little") < 40:
        return 0
    width = int.from_bytes(header[18:22], "little")
    height = abs(int.from_bytes(header[22:26], "little", signed=True))
    bits = int.from_bytes(header[28:30], "little")
    if int.from_bytes(header[30:34], "little") not in _UNCOMPRESSED:
        return 0
    return int.from_bytes(header[10:14], "little") + (width * bits + 31) // 32 * 4 * height
