"""JPEG, PNG and multi-page TIFF base files."""

from __future__ import annotations

import struct
import zlib

from portal.demo.media import BaseFile
from portal.demo.media_pages import Encoding, fitted

JPEG = (
    Encoding("JPEG", width=1000, quality=60),
    Encoding("JPEG", width=1240, grain=24, quality=85),
    Encoding("JPEG", width=1654, grain=64, quality=92),
)
PNG = (Encoding("PNG", width=1000), Encoding("PNG", width=1000, grain=24))

_JPEG_END = b"\xff\xd9"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def jpeg_file(target: int) -> BaseFile:
    """A JPEG of about so many bytes."""
    return jpeg_base(fitted(target, JPEG))


def jpeg_base(jpeg: bytes) -> BaseFile:
    """Makes a base of a JPEG; the identity is a comment segment just before the end marker."""
    return BaseFile("jpg", jpeg.removesuffix(_JPEG_END), _jpeg_tail)


def png_file(target: int) -> BaseFile:
    """A PNG of about so many bytes; the identity is a text chunk before the end chunk."""
    return BaseFile("png", fitted(target, PNG).removesuffix(_PNG_END), _png_tail)


def tiff_file(target: int, frames: int) -> BaseFile:
    """A TIFF of about so many bytes; the identity follows the last page, where nobody looks."""
    encodings = (
        Encoding("TIFF", compression="group4", frames=frames),
        Encoding("TIFF", grain=24, compression="jpeg", frames=frames),
    )
    return BaseFile("tif", fitted(target, encodings), bytes, pages=frames)


def _jpeg_tail(identity: bytes) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", len(identity) + 2) + identity + _JPEG_END


def _png_tail(identity: bytes) -> bytes:
    chunk = b"tEXtComment\x00" + identity
    length = struct.pack(">I", len(chunk) - len(b"tEXt"))
    return length + chunk + struct.pack(">I", zlib.crc32(chunk)) + _PNG_END
