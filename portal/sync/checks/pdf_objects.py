"""What the objects of a PDF claim, found by their words: PDFium believes it, or mends it.

Plain objects, and those packed into streams of objects (ISO 32000-1, 7.5.7). Words are looked for,
nothing is parsed: what hides from this still meets the limits of the child that opens the file.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from portal.errors import SyncError
from portal.sync.checks.rules import CompatibilityRules

_PIECE = 4 * 1024 * 1024
#: A dictionary across two pieces is found in the second one.
_OVERLAP = 2048
_STREAM_AT_MOST, _STREAMS_AT_MOST = 8 * 1024 * 1024, 64 * 1024 * 1024
#: In one expression, as going through the file is what takes the time.
_WORDS = re.compile(
    rb"/(?:Count\s*(?P<count>\d{7,12})\b"
    rb"|Type\s*/(?:(?P<page>Page)|(?P<packed>ObjStm))\b"
    rb"|Width\s*(?P<width>\d{4,10})\b(?!\s+\d+\s+R))"
)
_HEIGHT = re.compile(rb"/Height\s*(\d{4,10})\b(?!\s+\d+\s+R)")
_PACKED = re.compile(rb"[^\xff]{0,1024}?\bstream\r?\n")
_MILLION = 1_000_000
#: Width and height of a picture stand in one dictionary, within so many bytes.
_NEAR = 400
#: One page may stand in a tree more than once; not a hundred times.
_USES_AT_MOST = 100


class PdfObjects:
    """Walks through the file once.

    :ivar pages: objects that call themselves a page
    :raises SyncError: FILE_PAGES_HIGH or FILE_PIXELS_HIGH, for a claim beyond reason
    """

    def __init__(self, path: str, rules: CompatibilityRules) -> None:
        self.pages = 0
        self._rules = rules
        self._unpacked = 0
        self._seen_all = True
        with open(path, "rb") as file:
            for piece, fresh in _pieces(file):
                for packed in self._look(piece, fresh):
                    self._look(self._inflated(piece[packed:]), 0)

    def check_pages(self, pages: int) -> None:
        """:raises SyncError: FILE_HOSTILE if the tree makes ``pages`` out of hardly any objects."""
        if self._seen_all and self.pages and pages > self.pages * _USES_AT_MOST:
            raise SyncError("FILE_HOSTILE", detail="pdf: the same page again and again")

    def _look(self, data: bytes, fresh: int) -> list[int]:
        """Look at what ends behind ``fresh``; what ends before was seen with the last piece.

        :return: where the streams of objects begin
        """
        streams: list[int] = []
        for found in _WORDS.finditer(data):
            if found["page"]:
                self.pages += found.end() > fresh
            elif found["count"]:
                self._check_count(int(found["count"]))
            elif found["width"]:
                self._check_picture(data, found)
            elif (packed := _PACKED.match(data, found.end())) and packed.end() > fresh:
                streams.append(packed.end())
        return streams

    def _check_count(self, pages: int) -> None:
        limit = self._rules.max_pages
        if pages > max(_MILLION, limit):
            raise SyncError("FILE_PAGES_HIGH", actual=pages, limit=limit)

    def _check_picture(self, data: bytes, wide: re.Match[bytes]) -> None:
        before = data[max(wide.start() - _NEAR, 0) : wide.start()].rpartition(b" obj")[2]
        behind = data[wide.end() : wide.end() + _NEAR].partition(b"stream")[0]
        high = _HEIGHT.search(before) or _HEIGHT.search(behind)
        if high is None:
            return
        width, height, limit = int(wide["width"]), int(high[1]), self._rules.max_pixels
        if width * height > limit:
            raise SyncError("FILE_PIXELS_HIGH", width=width, height=height, limit=limit)

    def _inflated(self, packed: bytes) -> bytes:
        """What a stream of objects holds, as far as it lies in this piece and can be read."""
        inflater = zlib.decompressobj()
        data = b""
        if self._unpacked < _STREAMS_AT_MOST:
            with contextlib.suppress(zlib.error):  # encrypted, or packed in another way
                data = inflater.decompress(packed, _STREAM_AT_MOST)
        self._unpacked += len(data)
        self._seen_all = self._seen_all and inflater.eof
        return data


def _pieces(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Pieces, and up to where each repeats the one before."""
    kept = b""
    while piece := file.read(_PIECE):
        data = kept + piece
        yield data, len(kept)
        kept = data[-_OVERLAP:]
