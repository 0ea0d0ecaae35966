"""A manifest line by line; whatever its bytes are, each line is a document's or a problem.

Text is UTF-8. A quoted cell ends in its line, so that a stray quote costs one line and not all
that follow.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator
from typing import BinaryIO

from portal.errors import SyncError
from portal.sync.answers import one_line
from portal.sync.sources.tables.columns import BadColumns, Names
from portal.sync.sources.tables.lines import Line, bad_line, flat_line, object_line

#: Bytes of a line beyond which it is not read.
LONGEST_LINE = 1 << 20
_MOST_COLUMNS = 200
_SHOWN = 120


def read_manifest(name: str, content: BinaryIO, names: Names) -> Iterator[Line]:
    """The lines of a manifest; JSONL by its name's suffix ``.jsonl``, else CSV.

    :param content: at its beginning
    :raises SyncError: ``SRC_MANIFEST_HEADER`` when the names of the columns make no sense
    """
    lines = _text_lines(content)
    if name.lower().endswith((".jsonl", ".ndjson")):
        return _objects(lines, names)
    return _cells(name, lines, names)


def _text_lines(content: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line that is not blank; of one too long, no more than that."""
    number = 0
    while line := content.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        is_too_long = len(line) > LONGEST_LINE
        rest = line
        while is_too_long and rest and not rest.endswith(b"\n"):
            rest = content.readline(LONGEST_LINE)
        line = line.rstrip(b"\r\n")
        if line.strip():
            yield number, line


def _objects(lines: Iterator[tuple[int, bytes]], names: Names) -> Iterator[Line]:
    for number, line in lines:
        text = _decoded(line)
        if text is None or len(line) > LONGEST_LINE:
            yield bad_line(number, _unfit(line), repr(line[:_SHOWN]))
            continue
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            yield bad_line(number, "不是 JSON not JSON", text)
            continue
        yield object_line(number, found, names)


def _cells(name: str, lines: Iterator[tuple[int, bytes]], names: Names) -> Iterator[Line]:
    number, fields = _header(name, lines, names)
    image_no_at = fields.index("image_no")
    for number, line in lines:
        text = _decoded(line)
        if text is None or len(line) > LONGEST_LINE:
            yield bad_line(number, _unfit(line), repr(line[:_SHOWN]))
            continue
        cells = _split(text)
        if cells is None:
            yield bad_line(number, "引号不成对 a quote that is not closed", text)
        elif len(cells) != len(fields):
            detail = f"{len(cells)} 格，应为 {len(fields)} 格 cells, not {len(fields)}"
            known = cells[image_no_at].strip() if len(cells) > image_no_at else ""
            yield bad_line(number, detail, text, known)
        else:
            yield flat_line(
                number,
                {
                    field: cell.strip() if field != "path" else cell
                    for field, cell in zip(fields, cells, strict=True)
                },
            )


def _header(name: str, lines: Iterator[tuple[int, bytes]], names: Names) -> tuple[int, list[str]]:
    number, line = next(lines, (1, b""))
    text = _decoded(line)
    if text is None:
        raise _bad_header(name, number, "不是 UTF-8，请另存为“CSV UTF-8” not UTF-8")
    cells = _split(text) if len(line) <= LONGEST_LINE else None
    if not text or cells is None or len(cells) > _MOST_COLUMNS:
        raise _bad_header(name, number, "没有列名 no names of columns")
    try:
        return number, names.header([cell.strip() for cell in cells])
    except BadColumns as error:
        raise _bad_header(name, number, str(error)) from None


def _bad_header(name: str, number: int, detail: str) -> SyncError:
    return SyncError("SRC_MANIFEST_HEADER", name=name, line=number, detail=one_line(detail, 300))


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _unfit(line: bytes) -> str:
    if len(line) > LONGEST_LINE:
        return f"超过 {LONGEST_LINE} 字节 longer than {LONGEST_LINE} bytes"
    return "不是 UTF-8 not UTF-8"


def _split(text: str) -> list[str] | None:
    try:
        found = list(csv.reader([text], strict=True))
    except csv.Error:
        return None
    return found[0] if len(found) == 1 else None
