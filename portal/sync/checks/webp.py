"""The size of a WebP, from its first chunk: libwebp makes room for it before anybody can ask."""

from __future__ import annotations

import struct

_HEADER_BYTES = 30


def size(path: str) -> tuple[int, int]:
    """Width and height in pixels; (0, 0) for a header that decoding will not understand."""
    with open(path, "rb") as file:
        head = file.read(_HEADER_BYTES).ljust(_HEADER_BYTES, b"\0")
    name = head[12:16]
    if name == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if name == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if name == b"VP8 ":
        width, height = struct.unpack("<2H", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0
