"""Names of folders and files in the archive: readable by people, safe on any file system."""

from __future__ import annotations

import hashlib

# With resource, digests and a claim's number a name stays below the 255 bytes file systems allow.
_MAX_BYTES = 100
_PLAIN = frozenset("-_.()")


def safe_name(text: str) -> str:
    """One path part made of ``text``: letters and digits of any script, ``- _ . ( )``.

    Whatever had to be replaced or cut is told apart by a digest of the whole, so two different
    texts never share a name: the ``=`` before it comes from nowhere else. Never empty, ``.``,
    ``..`` or hidden.
    """
    if text.isascii() and text.isalnum() and len(text) <= _MAX_BYTES:
        return text  # as most are
    kept = "".join(char if char.isalnum() or char in _PLAIN else "_" for char in text)
    cut = kept.encode("utf-8", "replace")[:_MAX_BYTES].decode("utf-8", "ignore")
    if text and cut == text and not text.startswith(".") and not text.endswith("."):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{cut.strip('.')}={digest}"


def document_folder(*, source: str, month: str, resource: str, image_no: str, fence: int) -> str:
    """Folder of a document for one claim: ``source/month/image_no``, later claims ``…~2``, ``…~3``.

    ``~`` cannot come from :func:`safe_name`, so a claim's number and a name never collide.
    """
    name = safe_name(image_no)
    if resource:
        name = f"{name}@{safe_name(resource)}"
    if fence > 1:
        name = f"{name}~{fence}"
    return f"{safe_name(source)}/{month}/{name}"


def file_name(*, position: int, category: str, suffix: str) -> str:
    """Name of a file within its document's folder, such as ``02-invoice.pdf``."""
    ending = f".{safe_name(suffix)}" if suffix else ""
    return f"{position:02d}-{category}{ending}"
