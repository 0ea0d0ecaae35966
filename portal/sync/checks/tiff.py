"""The directories of a TIFF or BigTIFF (TIFF 6.0, section 2): one for each page."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from PIL import Image

from portal.errors import SyncError

#: Counting ends here; such a file is beyond any sensible limit of pages.
_COUNT_AT_MOST = 100_000
_STRIPS, _TILES = (273, 279), (324, 325)


def count_pages(path: str) -> int:
    """Follow the chain of directories.

    :raises SyncError: FILE_CORRUPT if the chain leaves the file, FILE_HOSTILE if it is a loop
    """
    seen: set[int] = set()
    with open(path, "rb") as file:
        try:
            chain = _Chain(file)
            position = chain.first()
            while position and len(seen) < _COUNT_AT_MOST:
                if position in seen:
                    raise SyncError("FILE_HOSTILE", detail="tiff: pages in a loop")
                seen.add(position)
                position = chain.after(position)
        except (struct.error, OSError, OverflowError) as error:
            raise SyncError("FILE_CORRUPT", detail="tiff: the end is missing") from error
    return len(seen)


def check_data_present(image: Image.Image, path: str) -> None:
    """Check that the strips or tiles of the current page lie inside the file.

    :raises SyncError: FILE_CORRUPT
    """
    tags = getattr(image, "tag_v2", {})
    size = os.path.getsize(path)
    for offsets, counts in (_STRIPS, _TILES):
        places = zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)
        if any(offset + count > size for offset, count in places):
            raise SyncError("FILE_CORRUPT", detail="tiff: the end is missing")


class _Chain:
    """Reads the links between directories, in either byte order and either width."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        head = file.read(4)
        order = "<" if head[:2] == b"II" else ">"
        big = head[2:] in (b"+\x00", b"\x00+")
        self._first_at = 8 if big else 4
        self._entry_bytes = 20 if big else 12
        self._count = struct.Struct(order + ("Q" if big else "H"))
        self._offset = struct.Struct(order + ("Q" if big else "I"))

    def first(self) -> int:
        """Where the first directory lies."""
        return self._read(self._offset, self._first_at)

    def after(self, position: int) -> int:
        """Where the directory after the one at ``position`` lies; 0 after the last."""
        entries = self._read(self._count, position)
        return self._read(self._offset, position + self._count.size + entries * self._entry_bytes)

    def _read(self, number: struct.Struct, position: int) -> int:
        self._file.seek(position)
        value: int = number.unpack(self._file.read(number.size))[0]
        return value
