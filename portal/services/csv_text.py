"""CSV as spreadsheets read it: UTF-8 with its mark, and no cell that is taken for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

MARK = "\ufeff"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Blanks and marks of no width, which a program that imports the file may well take away.
_HIDDEN_START = re.compile(
    r"[\s\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+[=+@＝＋－＠-]"
)


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
    computed = value.startswith(_FORMULA_STARTS) or _HIDDEN_START.match(value)
    return f"'{value}" if computed else value
