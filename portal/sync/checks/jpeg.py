"""The structure of a JPEG: from SOI over all segments and scans to EOI (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from typing import BinaryIO

from portal.errors import SyncError

_SOI = b"\xff\xd8"
_EOI, _SOS = 0xD9, 0xDA
#: A marker that ends entropy-coded data: not a stuffed zero, a restart or a fill byte.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PIECE = 256 * 1024
#: A picture in the finest of steps has a scan for each bit of each coefficient: hundreds. Each
#: goes over the whole picture again.
_SCANS_AT_MOST = 500
#: Of 64 KiB each: more than any file may have.
_SEGMENTS_AT_MOST = 10_000


def check_structure(path: str) -> None:
    """Walk the segments; a file cut anywhere has no EOI where one belongs.

    Embedded thumbnails do not deceive this, nor does what cameras append after EOI.

    :raises SyncError: FILE_CORRUPT, or FILE_HOSTILE for very many scans or segments
    """
    scans = segments = 0
    with open(path, "rb") as file:
        if file.read(2) != _SOI:
            raise SyncError("FILE_CORRUPT", detail="no readable jpeg header")
        while (marker := _marker(file)) != _EOI:
            scans += marker == _SOS
            segments += 1
            if scans > _SCANS_AT_MOST:
                raise SyncError("FILE_HOSTILE", detail="jpeg: too many scans")
            if segments > _SEGMENTS_AT_MOST:
                raise SyncError("FILE_HOSTILE", detail="jpeg: too many segments")
            length = int.from_bytes(_exactly(file, 2))
            if length < 2:
                raise SyncError("FILE_CORRUPT", detail="jpeg: broken segment")
            file.seek(length - 2, 1)
            if marker == _SOS:
                _skip_scan(file)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise SyncError("FILE_CORRUPT", detail="jpeg: the end is missing")
    return data


def _marker(file: BinaryIO) -> int:
    """Read a marker; any number of fill bytes may stand before its code."""
    if _exactly(file, 1) != b"\xff":
        raise SyncError("FILE_CORRUPT", detail="jpeg: broken segment")
    code = _exactly(file, 1)
    while code == b"\xff":
        code = _exactly(file, 1)
    return code[0]


def _skip_scan(file: BinaryIO) -> None:
    """Go to the marker that ends the scan, or to the end of the file if there is none."""
    position, kept = file.tell(), b""
    while piece := file.read(_PIECE):
        data = kept + piece
        found = _SCAN_END.search(data)
        if found is not None:
            file.seek(position - len(kept) + found.start())
            return
        position += len(piece)
        kept = data[-1:]  # a marker may lie across two pieces
