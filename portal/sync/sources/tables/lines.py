"""One line of a table as it is read: what it says of a document, and of which files.

What cannot be read is a line with a ``problem``: it never ends the reading of the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.errors import SyncError
from portal.sync.answers import one_line
from portal.sync.sources.tables.columns import PATH, Names, is_of_file, usual_name

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SHOWN = 200
_KEPT = 2000
_IMAGE_NO, _RESOURCE = usual_name("image_no"), usual_name("resource")
_COLLECTED = usual_name("collected_at")


@dataclass(frozen=True, slots=True)
class Line:
    """What line ``number`` says, under the contract's names; empty values are left out."""

    number: int
    document: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Mapping[str, Any], ...] = ()
    problem: SyncError | None = None

    @property
    def key(self) -> tuple[str, str] | None:
        """The document it is of; none when it does not say."""
        image_no = _text(self.document.get(_IMAGE_NO))
        return (_text(self.document.get(_RESOURCE)), image_no) if image_no else None


def bad_line(number: int, detail: str, text: str = "", image_no: str = "") -> Line:
    """A line that cannot be read; of the document it names, where it names one."""
    problem = SyncError("META_BAD_LINE", line=number, detail=detail[:_SHOWN])
    known = {_IMAGE_NO: image_no} if image_no else {"line": one_line(text, _KEPT)}
    return Line(number, known, problem=problem)


def flat_line(number: int, values: Mapping[str, Any]) -> Line:
    """A line of a document and one file of it, by fields."""
    document = {usual_name(field): value for field, value in _given(values, of_file=False)}
    file = {usual_name(field): value for field, value in _given(values, of_file=True)}
    return Line(number, _with_time(document), (file,))


def object_line(number: int, found: object, names: Names) -> Line:
    """A JSON object: of a document and one file, or of one with a list of ``files``."""
    if not isinstance(found, dict):
        return bad_line(number, "不是 JSON 对象 not a JSON object", str(found))
    fields, unknown = _by_field(found, names)
    image_no = _text(fields.get("image_no"))
    if unknown:
        detail = f"不认识的项 unknown: {one_line(unknown, 60)}"
        return bad_line(number, detail, str(found), image_no)
    entries = fields.pop("files", None)
    if entries is None:
        return flat_line(number, fields)
    if not isinstance(entries, list) or any(is_of_file(name) for name in fields):
        detail = "files 须为列表，且文件的各项只写在其中 files is a list and holds what is of files"
        return bad_line(number, detail, str(found), image_no)
    files = []
    for entry in entries:
        of_file, unknown = _by_field(entry, names) if isinstance(entry, dict) else ({}, "files")
        if unknown or not all(is_of_file(name) for name in of_file):
            detail = f"files 中有不认识的项 unknown in files: {one_line(unknown or entry, 60)}"
            return bad_line(number, detail, str(found), image_no)
        files.append({usual_name(name): value for name, value in _given(of_file, of_file=True)})
    document = {usual_name(name): value for name, value in _given(fields, of_file=False)}
    return Line(number, _with_time(document), tuple(files))


def path_of(file: Mapping[str, Any]) -> str:
    """The path a file is said to have."""
    value = file.get(PATH, "")
    return value if isinstance(value, str) else str(value)


def _by_field(found: Mapping[str, Any], names: Names) -> tuple[dict[str, Any], str]:
    """Values by field, and a name that has no meaning or comes twice."""
    fields: dict[str, Any] = {}
    for name, value in found.items():
        field = names.field(name)
        if field is None or field in fields:
            return fields, name or "“”"
        fields[field] = value
    return fields, ""


def _given(values: Mapping[str, Any], *, of_file: bool) -> list[tuple[str, Any]]:
    return [
        (name, value)
        for name, value in values.items()
        if is_of_file(name) is of_file and value is not None and value != ""
    ]


def _with_time(document: dict[str, Any]) -> dict[str, Any]:
    """A day alone means its beginning."""
    value = document.get(_COLLECTED)
    if isinstance(value, str) and _DAY.fullmatch(value.strip()):
        document[_COLLECTED] = f"{value.strip()} 00:00:00"
    return document


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""
