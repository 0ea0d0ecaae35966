"""What a file is by its first bytes, and what its suffix promises.

A whitelist: what is not in the table is ``unknown``. ``zip`` is only a wrapping; what is wrapped
(``ofd``, ``ooxml`` or just a ``zip``) is told by :func:`portal.sync.checks.zipped.zip_kind`.
"""

from __future__ import annotations

import codecs
import re

#: How many bytes :func:`sniff` wants to see.
HEAD_BYTES = 4096

PICTURE_KINDS = frozenset({"jpeg", "png", "tiff", "bmp", "gif", "webp"})
ZIP_KINDS = frozenset({"zip", "ofd", "ooxml"})
#: Everything a file can be and be accepted as, if the rules say so.
KNOWN_KINDS = PICTURE_KINDS | ZIP_KINDS | {"pdf", "xml", "ole", "txt"}

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00\x08\x00\x00\x00", "tiff"),  # BigTIFF
    (b"MM\x00+\x00\x08\x00\x00", "tiff"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
)
#: Readers of PDF accept the header anywhere in the first kilobyte.
_PDF_HEADER_WITHIN = 1024
_BITMAP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})

_SUFFIXES: dict[str, frozenset[str]] = {
    suffix: frozenset(kinds.split())
    for suffixes, kinds in (
        ("jpg jpeg jpe jfif", "jpeg"),
        ("png", "png"),
        ("tif tiff", "tiff"),
        ("bmp dib", "bmp"),
        ("gif", "gif"),
        ("webp", "webp"),
        ("pdf", "pdf"),
        ("ofd", "ofd"),
        ("xml", "xml"),
        ("zip", "zip"),
        ("doc xls ppt", "ole"),
        ("docx xlsx pptx", "ooxml"),
        ("wps et dps", "ole ooxml"),
        ("txt csv", "txt"),
    )
    for suffix in suffixes.split()
}

_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_HTML = re.compile(r"<(!doctype\s+html|html)\b", re.IGNORECASE)
_XML = re.compile(r"<(\?xml\b|!--|[^\W\d])")


def sniff(head: bytes) -> str:
    """Name the kind of a file that begins with ``head`` (its first :data:`HEAD_BYTES` bytes).

    Returns one of :data:`KNOWN_KINDS` (never ``ofd`` or ``ooxml``), ``html`` or ``unknown``.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BITMAP_HEADER_SIZES:
        return "bmp"
    if b"%PDF-" in head[:_PDF_HEADER_WITHIN]:
        return "pdf"
    return _kind_of_text(head)


def expected_kinds(suffix: str) -> frozenset[str]:
    """What a file with this suffix may be; empty when the suffix is not known.

    Case and a leading dot do not matter.
    """
    return _SUFFIXES.get(suffix.strip().lstrip(".").lower(), frozenset())


def text_encodings(head: bytes) -> list[str]:
    """The encodings in which ``head`` is clearly text: UTF-8, UTF-16 with mark, GB 18030."""
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    candidates = ["utf-16"] if marked else ["utf-8-sig", "gb18030"]
    return [encoding for encoding in candidates if _text(head, encoding) is not None]


def _text(head: bytes, encoding: str) -> str | None:
    try:
        # A character cut at the end of the head is no error here.
        text = codecs.getincrementaldecoder(encoding)().decode(head).strip()
    except UnicodeDecodeError:
        return None
    return text if text and not _CONTROL.search(text) else None


def _kind_of_text(head: bytes) -> str:
    encodings = text_encodings(head)
    if not encodings:
        # XML in another encoding is still XML; its reader judges the rest.
        return "xml" if head.startswith(b"<?xml") else "unknown"
    text = _text(head, encodings[0]) or ""
    if _HTML.match(text):
        return "html"
    return "xml" if _XML.match(text) else "txt"
