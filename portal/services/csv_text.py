"""CSV as spreadsheets read it: UTF-8 with its mark, and no cell that is taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

MARK = "\ufeff"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def line(cells: Iterable[object]) -> str:
    """A line with its end. Numbers stand as they are; a text that a spreadsheet would compute
    gets an apostrophe before it (OWASP, CSV injection)."""
    out = io.StringIO()
    csv.writer(out).writerow([cell(one) for one in cells])
    return out.getvalue()


def cell(value: object) -> object:
    """A value as it may stand in a cell."""
    if not isinstance(value, str):
        return "" if value is None else value
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
