"""Lists read by key, not by offset: the millionth page costs what the first one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import QueryableAttribute, Session

from portal.models.base import UtcDateTime

SIZES = (20, 50, 100, 200)
USUAL_SIZE = 50
# No number in a list is as large, and every database can count so far.
_MOST = 10**18

Column = ColumnElement[Any] | QueryableAttribute[Any]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Place:
    """Which rows of a list: sorted by what, how many, behind or before which row.

    ``after`` and ``before`` are marks of an earlier :class:`Leaf`; one that is broken counts as
    none, as addresses are typed and cut off.
    """

    sort: str
    descending: bool
    size: int = USUAL_SIZE
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Leaf(Generic[Row]):
    """Some rows of a list, and the marks to turn on from; none where there is nothing more."""

    rows: Sequence[Row]
    first: str | None
    last: str | None


def read(
    session: Session,
    query: Select[*tuple[Any, ...]],
    place: Place,
    *,
    columns: Mapping[str, Column],
    row_id: Column,
) -> Leaf[Any]:
    """The rows of ``query`` at a place: things where it selects one, else tuples of them.

    :param columns: what the list may be sorted by, by name; never null, each with an index if the
        list may be long
    :param row_id: the unique number that orders rows of equal value; in a list sorted by it, it
        is the mark itself
    """
    column = columns[place.sort]
    back = place.before is not None
    mark = _read_mark(place.before if back else place.after, column, row_id)
    back = back and mark is not None
    descending = place.descending != back
    if mark is not None:
        query = query.where(_behind(column, row_id, mark, descending=descending))
    order = [column, row_id] if column is not row_id else [row_id]
    query = query.order_by(*(key.desc() if descending else key.asc() for key in order))
    found = session.execute(query.add_columns(column, row_id).limit(place.size + 1)).all()
    more = len(found) > place.size
    rows = found[: place.size]
    if back:
        rows = rows[::-1]
    return Leaf(
        rows=[row[0] if len(row) == 3 else tuple(row[:-2]) for row in rows],
        first=_mark(rows[0], column, row_id)
        if rows and (more if back else mark is not None)
        else None,
        last=_mark(rows[-1], column, row_id) if rows and (back or more) else None,
    )


def _behind(
    column: Column, row_id: Column, mark: tuple[Any, int], *, descending: bool
) -> ColumnElement[bool]:
    value, number = mark
    if column is row_id:
        return row_id < number if descending else row_id > number
    # Said in this order, an index on the column alone finds the place.
    if descending:
        return and_(column <= value, or_(column < value, row_id < number))
    return and_(column >= value, or_(column > value, row_id > number))


def mark(number: int, value: Any = None) -> str:
    """The mark of a row, as a :class:`Leaf` has it: for a list sorted by the number itself, or by
    a value."""
    if value is None:
        return str(number)
    return f"{number}~{value.isoformat() if isinstance(value, date) else value}"


def _mark(row: Sequence[Any], column: Column, row_id: Column) -> str:
    return mark(row[-1], None if column is row_id else row[-2])


def _read_mark(text: str | None, column: Column, row_id: Column) -> tuple[Any, int] | None:
    number, tilde, value = (text or "").partition("~")
    if not number.isdecimal() or len(number) > 18:
        return None
    if column is row_id:
        return int(number), int(number)
    if not tilde:
        return None
    try:
        read = _read_value(value, column)
    except (ValueError, ArithmeticError):
        return None
    return None if read is None else (read, int(number))


def _read_value(text: str, column: Column) -> Any:
    """The value as the column has it, None when it is none of its kind, or none it can hold.

    :raises ValueError: the same
    :raises ArithmeticError: the same
    """
    kind = column.type.python_type
    if not issubclass(kind, date):
        return _storable(kind(text))
    day_or_instant = kind.fromisoformat(text)
    if isinstance(day_or_instant, datetime) and isinstance(column.type, UtcDateTime):
        # An instant beyond the calendar in UTC overflows here, and not in the database's driver.
        return day_or_instant.astimezone(UTC) if day_or_instant.tzinfo is not None else None
    return day_or_instant


def _storable(value: Any) -> Any:
    """The value, None when some database refuses it even as one to be compared with."""
    if isinstance(value, str):
        return None if "\x00" in value else value
    if isinstance(value, Decimal):
        return value if value.is_finite() and abs(value) < _MOST else None
    return value if not isinstance(value, int) or abs(value) < _MOST else None
