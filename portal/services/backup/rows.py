"""A table's rows as lines of text that every database gives alike and takes back (ADR 18).

A line is a JSON array of the row's values in the order of the columns. A column has a *kind*
instead of a database's type, so that a dump can be read without the models it was made with: a
later release restores it into the schema it came from, and upgrades that.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from portal.models.base import UtcDateTime

Row = Sequence[Any]
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class Column(NamedTuple):
    """A column of a dumped table; ``kind`` is one of :data:`_TYPES`, or ``decimal.2``."""

    name: str
    kind: str


class DumpedTable(NamedTuple):
    """A table as a dump knows it; ``key`` are the columns of its primary key."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def table(self) -> sa.TableClause:
        """The table for statements, with types that suit every database."""
        return sa.table(self.name, *(sa.column(c.name, _type_of(c.kind)) for c in self.columns))


_TYPES: dict[str, Callable[[], TypeEngine[Any]]] = {
    "int": sa.BigInteger,
    "bool": sa.Boolean,
    "text": sa.Text,
    "float": sa.Double,
    "date": sa.Date,
    "instant": UtcDateTime,
    "bytes": sa.LargeBinary,
    # NULL and JSON's null both read as None; which of them is meant, the column says.
    "json": sa.JSON,
    "json?": lambda: sa.JSON(none_as_null=True),
}
# The first that fits: a Float is a Numeric too in some versions of SQLAlchemy.
_KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (sa.Boolean, "bool"),
    (sa.LargeBinary, "bytes"),
    (sa.Date, "date"),
    (sa.Float, "float"),
    (sa.Numeric, "decimal"),
    (sa.Integer, "int"),
    (sa.String, "text"),
)
_WRITE: dict[str, Callable[[Any], Any]] = {
    "date": date.isoformat,
    "instant": lambda value: value.isoformat(timespec="microseconds"),
    "bytes": lambda value: base64.b64encode(value).decode("ascii"),
    "decimal": str,
}
_READ: dict[str, Callable[[Any], Any]] = {
    "date": date.fromisoformat,
    "instant": datetime.fromisoformat,
    "bytes": base64.b64decode,
    "decimal": Decimal,
}


def dumped_table(table: sa.Table) -> DumpedTable:
    """What a dump keeps of a model's table."""
    columns = tuple(Column(column.name, _kind_of(column)) for column in table.columns)
    return DumpedTable(table.name, columns, tuple(c.name for c in table.primary_key))


def lines(table: DumpedTable, rows: Iterable[Row]) -> Iterator[str]:
    """The rows as lines, each with its end."""
    changes = _changes(table, _WRITE)
    for row in rows:
        values = list(row)
        for place, change in changes:
            if values[place] is not None:
                values[place] = change(values[place])
        yield f"{_encode(values)}\n"


def rows(table: DumpedTable, texts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The lines as rows to be inserted.

    :raises ValueError: for a line that is none of this table
    """
    changes = _changes(table, _READ)
    names = [column.name for column in table.columns]
    for line in texts:
        try:
            values = json.loads(line)
            for place, change in changes:
                if values[place] is not None:
                    values[place] = change(values[place])
            row = dict(zip(names, values, strict=True))
        except (LookupError, TypeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"no line of {table.name}") from error
        yield row


def _changes(
    table: DumpedTable, how: dict[str, Callable[[Any], Any]]
) -> list[tuple[int, Callable[[Any], Any]]]:
    kinds = [column.kind.partition(".")[0] for column in table.columns]
    return [(place, how[kind]) for place, kind in enumerate(kinds) if kind in how]


def _type_of(kind: str) -> TypeEngine[Any]:
    name, _, scale = kind.partition(".")
    return sa.Numeric(38, int(scale)) if name == "decimal" else _TYPES[name]()


def _kind_of(column: sa.Column[Any]) -> str:
    """
    :raises TypeError: for a type that no dump knows yet: it needs a kind here first
    """
    given: TypeEngine[Any] = column.type
    if isinstance(given, UtcDateTime):
        return "instant"
    if isinstance(given, sa.TypeDecorator):
        given = given.impl_instance
    if isinstance(given, sa.JSON):
        return "json?" if given.none_as_null else "json"
    kind = next((kind for type_, kind in _KINDS if isinstance(given, type_)), None)
    if kind is None:
        raise TypeError(f"{column}: {given!r} has no kind in a dump")
    return f"{kind}.{given.scale}" if kind == "decimal" else kind  # type: ignore[attr-defined]
