"""The three formats of an export, each written row by row in constant memory.

XLSX and CSV are for people: words, local times. JSONL is for programs: codes, instants in UTC,
amounts as texts, exactly as the ledger has them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import xlsxwriter
from xlsxwriter.exceptions import FileSizeError

from portal.errors import SyncError
from portal.services import csv_text
from portal.services.export_tables import Column, Kind, Value

#: Rows of a sheet of XLSX, its head included.
SHEET_ROWS = 1_048_576
_LONGEST_CELL = 32_767
# Beyond this a number in a cell is rounded: it is written as text.
_EXACT = 10**15


class Writer(Protocol):
    """Writes one file."""

    def row(self, row: Any) -> None:
        """The next row."""

    def close(self) -> None:
        """The end of the file.

        :raises SyncError: EXPORT_TOO_LARGE
        """

    def abandon(self) -> None:
        """Let go of the file, which will not be used."""


def open_writer(
    format_: str,
    path: Path,
    kind: Kind,
    about: Mapping[str, Any],
    *,
    language: str,
    zone: ZoneInfo,
    sheet_rows: int = SHEET_ROWS,
) -> Writer:
    """A writer of ``xlsx``, ``csv`` or ``jsonl``.

    :param about: what the export says of itself, by name: plain values
    :param zone: for the times that people see
    """
    if format_ == "xlsx":
        return _Xlsx(path, kind, about, language=language, zone=zone, sheet_rows=sheet_rows)
    if format_ == "csv":
        return _Csv(path, kind, language=language, zone=zone)
    return _Jsonl(path, kind, about)


class _Csv:
    def __init__(self, path: Path, kind: Kind, *, language: str, zone: ZoneInfo) -> None:
        self._file = path.open("w", encoding="utf-8", newline="", errors="replace")
        self._columns, self._language, self._zone = kind.columns, language, zone
        headings = [column.heading(language) for column in kind.columns]
        self._file.write(csv_text.MARK)
        self._lines = csv.writer(self._file)
        self._lines.writerow(map(csv_text.cell, headings))

    def row(self, row: Any) -> None:
        """A line."""
        shown = (_shown(column, row, self._language, self._zone) for column in self._columns)
        self._lines.writerow(map(csv_text.cell, shown))

    def close(self) -> None:
        """Nothing stands at the end: what is to be said of the file stands beside it."""
        self._file.close()

    abandon = close


class _Jsonl:
    def __init__(self, path: Path, kind: Kind, about: Mapping[str, Any]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n", errors="backslashreplace")
        self._columns: Sequence[Column] = kind.columns
        self._write({"_export": dict(about)})

    def row(self, row: Any) -> None:
        """An object on a line of its own."""
        self._write({column.name: _exact(column.value(row)) for column in self._columns})

    def close(self) -> None:
        """Nothing stands at the end."""
        self._file.close()

    abandon = close

    def _write(self, value: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


class _Xlsx:
    """A sheet that says what this is, then as many sheets as the rows need."""

    def __init__(
        self,
        path: Path,
        kind: Kind,
        about: Mapping[str, Any],
        *,
        language: str,
        zone: ZoneInfo,
        sheet_rows: int,
    ) -> None:
        self._book = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "tmpdir": str(path.parent),
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
            },
        )
        self._kind, self._language, self._zone = kind, language, zone
        self._bold = self._book.add_format({"bold": True})
        self._sheet_rows, self._sheets, self._next = sheet_rows, 0, sheet_rows
        sheet = self._book.add_worksheet("说明" if language == "zh" else "About")
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 80)
        for place, (name, value) in enumerate(about.items()):
            sheet.write_string(place, 0, name)
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
            sheet.write_string(place, 1, "" if text is None else str(text))
        if not self._sheets:
            self._new_sheet()

    def row(self, row: Any) -> None:
        """A row; on a new sheet when the last one is full."""
        if self._next >= self._sheet_rows:
            self._new_sheet()
        for place, column in enumerate(self._kind.columns):
            self._cell(place, _shown(column, row, self._language, self._zone))
        self._next += 1

    def close(self) -> None:
        """Put the file together."""
        try:
            self._book.close()
        except FileSizeError:
            raise SyncError("EXPORT_TOO_LARGE") from None

    def abandon(self) -> None:
        """Put it together too: what it keeps beside the file is only removed so."""
        self.close()

    def _new_sheet(self) -> None:
        self._sheets += 1
        title = self._kind.title(self._language)
        name = title if self._sheets == 1 else f"{title} {self._sheets}"
        self._sheet = self._book.add_worksheet(name)
        self._sheet.freeze_panes(1, 0)
        for place, column in enumerate(self._kind.columns):
            self._sheet.write_string(0, place, column.heading(self._language), self._bold)
        self._next = 1

    def _cell(self, place: int, value: Any) -> None:
        if value is None or value == "":
            return
        if isinstance(value, (int, float, Decimal)) and -_EXACT < value < _EXACT:
            self._sheet.write_number(self._next, place, value)
            return
        text = str(value)
        if len(text) > _LONGEST_CELL:
            text = f"{text[: _LONGEST_CELL - 1]}…"
        self._sheet.write_string(self._next, place, text)


def _shown(column: Column, row: Any, language: str, zone: ZoneInfo) -> object:
    """A cell for people: text, number or nothing."""
    value = column.shown(row, language) if column.shown is not None else column.value(row)
    if isinstance(value, datetime):
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    return value


def _exact(value: Value) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value) if isinstance(value, Decimal) else value
