"""The data of a TIFF's page, decoded a few strips or tiles at a time.

Pillow decodes whole pages only. So strips and tiles, each of which is packed by itself, are put
into small TIFFs of their own, in memory (TIFF 6.0, sections 2, 8, 10, 11, 13 to 15, 22). Where the
packing knows nothing of pixels, a row of bytes is given out as a row of grey dots.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import Image

from portal.sync.checks.budget import Budget

_PLAIN, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _JPEG = 1, 5, 8, 32946, 32773, 7
_BYTES = frozenset({_LZW, _PACKBITS})
_FLATE = frozenset({_DEFLATE, _OLD_DEFLATE})
_FAX = frozenset({2, 3, 4})
_FAX_OPTIONS = (262, 292, 293)
_FILL_ORDER = 266
_YCBCR = 6
#: Unpacked bytes of a band.
_BAND = 8 * 1024 * 1024
_PIECE = 1024 * 1024
#: What a byte takes while it is decoded: the strip and the dots made of it, or the dots of an
#: eighth of the size.
_PER_BYTE = {_LZW: 2.0, _PACKBITS: 2.0, 2: 9.0, 3: 9.0, 4: 9.0, _JPEG: 0.1}
_EOI = b"\xff\xd9"


@dataclass(frozen=True)
class _Parts:
    """Strips or tiles: of ``rows`` rows of ``row_bytes`` bytes, ``last`` rows in the last one."""

    places: list[tuple[int, int]]
    width: int
    rows: int
    row_bytes: int
    last: int


class Bands:
    """The data of the current page.

    :ivar can_check: whether the packing is one of those that :meth:`check` knows
    """

    def __init__(self, image: Image.Image) -> None:
        self._tags: dict[int, Any] = dict(getattr(image, "tag_v2", {}))
        self._packing = int(self._tags.get(259, 1))
        self._planes: list[_Parts] = []
        if self._is_known():
            with contextlib.suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
                self._planes = list(self._parts())
        self.can_check = bool(self._planes)

    @property
    def memory(self) -> int:
        """Bytes that :meth:`check` takes for the largest strip or tile."""
        if self._packing not in _PER_BYTE:
            return 0  # not decoded, or piece by piece
        packed = max(count for parts in self._planes for _, count in parts.places)
        unpacked = max(parts.row_bytes * parts.rows for parts in self._planes)
        return packed + max(packed, int(unpacked * _PER_BYTE[self._packing]))

    @property
    def unpacked(self) -> int:
        """Bytes of the whole page, unpacked."""
        return sum(len(parts.places) * parts.rows * parts.row_bytes for parts in self._planes)

    def check(self, path: str, budget: Budget) -> bool:
        """Decode everything, to nowhere; False if there was no time for all of it.

        :raises Exception: whatever Pillow or zlib raises for broken data
        """
        if self._packing == _PLAIN:
            self._check_plain(os.path.getsize(path))
            return True
        with open(path, "rb") as file:
            for parts in self._planes:
                for band in _bands(parts, together=self._packing in _BYTES | _FAX):
                    if budget.spent:
                        return False
                    self._decode(file, parts, band)
        return True

    def _check_plain(self, size: int) -> None:
        """Any bytes are dots; what a strip says of its size is often wrong then."""
        for parts in self._planes:
            last = len(parts.places) - 1
            for number, (offset, _) in enumerate(parts.places):
                rows = parts.last if number == last else parts.rows
                if offset + rows * parts.row_bytes > size:
                    raise ValueError("the end is missing")

    def _is_known(self) -> bool:
        subsampled = self._tags.get(262) == _YCBCR and self._packing != _JPEG
        return self._packing in _BYTES | _FLATE | _FAX | {_PLAIN, _JPEG} and not subsampled

    def _parts(self) -> Iterator[_Parts]:
        """One for each plane; the size is that of the tags, not that of the picture put upright."""
        across, height = int(self._tags[256]), int(self._tags[257])
        tiled = 322 in self._tags
        places = list(
            zip(self._tags[324 if tiled else 273], self._tags[325 if tiled else 279], strict=True)
        )
        samples, separate = self._tags.get(277, 1), self._tags.get(284, 1) == 2
        width = self._tags[322] if tiled else across
        rows = self._tags[323] if tiled else min(self._tags.get(278, height), height)
        bits = max(self._tags.get(258, (1,))) * (1 if separate else samples)
        down = -(-height // rows)
        in_plane = down * -(-across // width)
        last = rows if tiled else height - (down - 1) * rows
        for plane in range(samples if separate else 1):
            found = places[plane * in_plane : (plane + 1) * in_plane]
            if len(found) < in_plane:
                raise ValueError("strips are missing")
            yield _Parts(found, width, rows, (width * bits + 7) // 8, last)

    def _decode(self, file: BinaryIO, parts: _Parts, band: range) -> None:
        height = parts.rows * (len(band) - 1) + (
            parts.last if band[-1] == len(parts.places) - 1 else parts.rows
        )
        if self._packing in _FLATE:
            _inflate(file, parts.places[band[0]], height * parts.row_bytes)
            return
        data = [_bytes_at(file, parts.places[number]) for number in band]
        if self._packing == _JPEG:
            self._decode_jpeg(data[0], parts.width, height)
            return
        tags = {256: parts.row_bytes, 257: height, 258: 8, 259: self._packing, 262: 1}
        kept: tuple[int, ...] = (_FILL_ORDER,)
        if self._packing in _FAX:
            tags |= {256: parts.width, 258: 1}
            kept += _FAX_OPTIONS
        tags |= {tag: self._tags[tag] for tag in kept if tag in self._tags}
        whole = _small_tiff(tags | {277: 1, 278: parts.rows}, data)
        data.clear()
        with Image.open(io.BytesIO(whole), formats=["tiff"]) as image:
            image.load()

    def _decode_jpeg(self, data: bytes, width: int, height: int) -> None:
        tables = self._tags.get(347, b"")
        whole = tables.removesuffix(_EOI) + data[2:] if tables else data
        with Image.open(io.BytesIO(whole), formats=["jpeg"]) as image:
            if image.width < width or image.height < height:
                raise ValueError("a strip is too small")
            image.draft("L", (max(image.width // 8, 1), max(image.height // 8, 1)))
            image.load()


def _bands(parts: _Parts, *, together: bool) -> Iterator[range]:
    """Runs of parts that unpack to about a band, or each part alone."""
    size = max(parts.rows * parts.row_bytes, 1)
    step = max(_BAND // size, 1) if together else 1
    for first in range(0, len(parts.places), step):
        yield range(first, min(first + step, len(parts.places)))


def _bytes_at(file: BinaryIO, place: tuple[int, int]) -> bytes:
    file.seek(place[0])
    return file.read(place[1])


def _inflate(file: BinaryIO, place: tuple[int, int], wanted: int) -> None:
    """Unpack piece by piece, so that the size of a strip does not matter."""
    file.seek(place[0])
    left, inflater = place[1], zlib.decompressobj()
    while wanted > 0:
        packed = inflater.unconsumed_tail
        if not packed:
            packed = file.read(min(left, _PIECE))
            left -= len(packed)
            if not packed:
                raise ValueError("rows are missing")
        wanted -= len(inflater.decompress(packed, _PIECE))


def _small_tiff(tags: dict[int, int], data: list[bytes]) -> bytes:
    """A TIFF of these strips."""
    count, counts = len(data), [len(strip) for strip in data]
    offsets = [8, *itertools.accumulate(counts, initial=8)][1:-1]
    padding = sum(counts) % 2
    first = 8 + sum(counts) + padding
    tables = first + 2 + (len(tags) + 2) * 12 + 4
    entries = {tag: (1, value) for tag, value in tags.items()}
    entries[273] = (count, tables if count > 1 else offsets[0])
    entries[279] = (count, tables + 4 * count if count > 1 else counts[0])
    directory = [struct.pack("<HHII", tag, 4, *entries[tag]) for tag in sorted(entries)]
    head = struct.pack("<2sHI", b"II", 42, first)
    table = struct.pack(f"<{2 * count}I", *offsets, *counts) if count > 1 else b""
    number = struct.pack("<H", len(entries))
    return b"".join([head, *data, bytes(padding), number, *directory, bytes(4), table])
