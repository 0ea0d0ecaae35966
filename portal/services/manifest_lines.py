"""The canonical lines of a month's manifest (封存清单), byte by byte; see ADR 12.

A manifest is a head and one line for each document, every line ended by LF, fields parted by TAB.
Within a field the bytes 00–1F, 7F and 25 (``%``) of its UTF-8 stand as ``%`` and two upper-case
hexadecimal digits, so that no field holds a TAB or an LF; nothing else is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

FORMAT: Final = "imgmig-manifest-1"
_OF_DOCUMENT, _OF_FILE = 3, 5
_ESCAPED = re.compile(r"[\x00-\x1f\x7f%]")


@dataclass(frozen=True, slots=True, order=True)
class ManifestFile:
    """A file as it was archived when the manifest was sealed; ordered as in the line."""

    category: str
    seq: int
    file_id: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ManifestDocument:
    """A document as a line has it."""

    resource: str
    image_no: str
    type_code: str
    files: tuple[ManifestFile, ...]


def head_line(source: str, month: str, org_code: str, type_code: str) -> bytes:
    """The first line: the format, and what the manifest is about; empty codes mean all."""
    return _line([FORMAT, source, month, org_code, type_code])


def document_line(document: ManifestDocument) -> bytes:
    """A document's line, its files by category, sequence and id."""
    fields = [document.resource, document.image_no, document.type_code]
    for file in in_order(document.files):
        fields += [file.category, str(file.seq), file.file_id, str(file.size), file.sha256]
    return _line(fields)


def in_order(files: Iterable[ManifestFile]) -> list[ManifestFile]:
    """Files by category, sequence and id, texts by their bytes."""
    return sorted(files, key=lambda file: (file.category, file.seq, file.file_id.encode()))


def read_line(line: bytes) -> ManifestDocument:
    """The document of a line, with or without its LF.

    :raises ValueError: when it is none
    """
    fields = [unquote(field, errors="strict") for field in line.decode().rstrip("\n").split("\t")]
    if len(fields) < _OF_DOCUMENT or (len(fields) - _OF_DOCUMENT) % _OF_FILE:
        raise ValueError("not a line of a manifest")
    files = []
    for at in range(_OF_DOCUMENT, len(fields), _OF_FILE):
        category, seq, file_id, size, sha256 = fields[at : at + _OF_FILE]
        files.append(ManifestFile(category, int(seq), file_id, int(size), sha256))
    return ManifestDocument(fields[0], fields[1], fields[2], tuple(files))


def _line(fields: Iterable[str]) -> bytes:
    return "\t".join(_ESCAPED.sub(_escape, field) for field in fields).encode() + b"\n"


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
