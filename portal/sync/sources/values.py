"""Reading single values of a listed row: tolerant where it is harmless, else with a named problem.

A :class:`FieldReader` never raises for bad data. It notes the first problem in the list it shares
with the other readers of the same row and returns what was readable.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from portal.errors import SyncError
from portal.sync.answers import CONTROLS, one_line
from portal.sync.lookup import at

#: The zone of times that carry no offset (source contract).
SOURCE_ZONE = ZoneInfo("Asia/Shanghai")

_VALUE_LENGTH = 80
_LEVELS = 32
_MAX_AMOUNT = Decimal(10) ** 16  # what fits the ledger's NUMERIC(18, 2)
_UNSAFE = re.compile(rf"[{CONTROLS}]")
#: A path that is not just a name, in the ways of any system: it leads up, or begins at a root.
_PATH = re.compile(r"^[/\\]|^[A-Za-z]:[/\\]|(^|[/\\])\.\.([/\\]|$)")
#: The query of an address, which may be a signature, to the end of the text.
_QUERY = re.compile(r"(://[^?]*)\?.*", re.DOTALL)
_WHOLE = re.compile(r"\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_LOCAL_ISO = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?", re.ASCII)
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


class FieldReader:
    """Reads the fields of one JSON object, noting what is wrong in ``problems``."""

    def __init__(self, fields: Mapping[str, object], problems: list[SyncError]) -> None:
        self._fields = fields
        self._problems = problems

    def text(self, field: str, limit: int, *, required: bool = False) -> str:
        """A stripped text; one that is too long or unsafe is a problem.

        What is returned is fit to be stored and shown in any case: cut to ``limit`` characters,
        with spaces for controls, marks of direction and surrogates.
        """
        text = self._raw_text(field, required=required)
        if len(text) <= limit and text.isprintable():
            return text  # as nearly all are: nothing unsafe is printable
        if len(text) > limit or _UNSAFE.search(text):
            self.bad(field, text)
        return _UNSAFE.sub(" ", text[:limit]).strip()

    def file_name(self, field: str, limit: int) -> str:
        """What :meth:`text` gives of a required name of a file; a path is a problem."""
        text = self.text(field, limit, required=True)
        if _PATH.search(text):
            self.bad(field, text)
        return text

    def exact(self, field: str, limit: int) -> str:
        """A text that is of no use unless it is as the source wrote it; empty if it is unfit."""
        text = self._raw_text(field)
        if len(text) > limit or not (text.isprintable() or _UNSAFE.search(text) is None):
            self.bad(field, text)
            return ""
        return text

    def pattern(self, field: str, form: re.Pattern[str]) -> str:
        """A text in lower case that is wholly of the given form; empty if absent or not so."""
        text = self._raw_text(field).lower()
        if text and not form.fullmatch(text):
            self.bad(field, text)
            return ""
        return text

    def whole(self, field: str, maximum: int) -> int | None:
        """A whole number of 0 to ``maximum``, also when it is written as a text."""
        value = at(self._fields, field)
        if value is None or value == "":
            return None
        number = whole_number(value)
        if number is None or number > maximum:
            self.bad(field, value)
            return None
        return number

    def amount(self, field: str) -> Decimal | None:
        """An amount of money, positive or negative, as a text or a number."""
        value = at(self._fields, field)
        if value is None or value == "":
            return None
        number = decimal_number(value)
        if number is None:
            self.bad(field, value)
        return number

    def instant(self, field: str, *, local: bool = False) -> datetime | None:
        """A required instant, in UTC.

        :param local: every way of ISO 8601 to write a time without an offset is accepted
        """
        text = self._raw_text(field, required=True)
        if not text:
            return None
        when = _instant(text, _LOCAL_ISO if local else _LOCAL_TIME)
        if when is None:
            self.bad(field, text)
        return when

    def bad(self, field: str, value: object) -> None:
        """Note that a field's value is invalid; of an address, all but its query is told."""
        told = _QUERY.sub(r"\1?…", one_line(value, _VALUE_LENGTH))
        self.note(SyncError("META_BAD_VALUE", field=field, value=told))

    def note(self, problem: SyncError) -> None:
        """Note a problem."""
        self._problems.append(problem)

    def _raw_text(self, field: str, *, required: bool = False) -> str:
        value = at(self._fields, field)
        if not isinstance(value, str):
            value = self._as_text(field, value)
        text = value.strip()
        if required and not text:
            self.note(SyncError("META_MISSING_FIELD", field=field))
        return text

    def _as_text(self, field: str, value: object) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is not None:
            self.bad(field, value)
        return ""


def whole_number(value: object) -> int | None:
    """A whole number from 0 on, written as a JSON number or a text; None if it is none."""
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value := value.strip()) else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and value >= 0 else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else None
    return None


def decimal_number(value: object) -> Decimal | None:
    """An amount that the ledger can hold, written as a number or a text; None if it is none."""
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, float) and math.isfinite(value):
        text = format(Decimal(repr(value)), "f")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_AMOUNT:
        text = str(value)
    else:
        return None
    if not _DECIMAL.fullmatch(text):
        return None
    number = Decimal(text)
    return number if abs(number) < _MAX_AMOUNT else None


def _instant(text: str, local: re.Pattern[str]) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
        if when.tzinfo is None and local.fullmatch(text):
            when = when.replace(tzinfo=SOURCE_ZONE)
        return when.astimezone(UTC) if when.tzinfo else None
    except (ValueError, OverflowError):
        return None


def storable(value: Any, levels: int = _LEVELS) -> Any:
    """A copy of a JSON value that every database stores as JSON.

    NUL and lone surrogates are written as escapes, NaN and infinities as text, and what lies
    deeper than ``levels`` is cut off.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return "…"
    if isinstance(value, list):
        return [storable(entry, levels - 1) for entry in value]
    return {storable(key): storable(entry, levels - 1) for key, entry in value.items()}
