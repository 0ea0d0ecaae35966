"""Which files a browser may be given as they are: JPEG and PNG of modest size.

Only the header is looked at, by a few lines that cannot be led astray; everything else is for a
painter in its child process.
"""

from __future__ import annotations

from typing import BinaryIO

from portal.sync.checks.sniff import sniff

#: Bytes; beyond it a picture drawn smaller comes sooner than the file itself.
_LARGEST = 4 * 1024 * 1024
#: A browser unpacks four bytes for each pixel, and a bomb is small when it is packed.
_PIXELS_AT_MOST = 40_000_000
_PNG_SIZE_AT, _PNG_HEADER = 16, b"IHDR"
#: JPEG's frame headers (ITU-T T.81, table B.1): SOF0 to SOF15 without DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def body_as_it_is(file: BinaryIO, size: int, kind: str) -> bytes | None:
    """The whole file if it may be passed on, else None; ``kind`` must be what it begins as."""
    if size > _LARGEST or kind not in {"jpeg", "png"}:
        return None
    body = file.read()
    if sniff(body[:16]) != kind:
        return None
    width, height = _jpeg_size(body) if kind == "jpeg" else _png_size(body)
    return body if 0 < width * height <= _PIXELS_AT_MOST else None


def _png_size(body: bytes) -> tuple[int, int]:
    if body[12:_PNG_SIZE_AT] != _PNG_HEADER:
        return 0, 0
    return int.from_bytes(body[16:20]), int.from_bytes(body[20:24])


def _jpeg_size(body: bytes) -> tuple[int, int]:
    """From the frame header, which stands behind whole segments; (0, 0) if it is not found."""
    position = 2
    while body[position : position + 1] == b"\xff" and position + 9 <= len(body):
        marker = body[position + 1]
        if marker in _FRAMES:
            height, width = body[position + 5 : position + 7], body[position + 7 : position + 9]
            return int.from_bytes(width), int.from_bytes(height)
        position += 2 + max(int.from_bytes(body[position + 2 : position + 4]), 2)
    return 0, 0
