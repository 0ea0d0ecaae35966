"""What an export is made of: a kind has columns, declared once for every format, and its rows.

A kind of another module is one more line in :mod:`portal.services.export_kinds`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.services.selection import Selection

PAGE = 2000
# What a cell may hold; a dict is told as JSON.
Value = str | int | float | Decimal | datetime | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows an export is to have.

    ``selection`` is about documents and batches, ``trail`` about the audit trail: its filters by
    their names in the address of its page.
    """

    selection: Selection
    trail: Mapping[str, str]
    zone: ZoneInfo

    @classmethod
    def of(cls, filters: Mapping[str, Sequence[str]], zone: ZoneInfo) -> Wanted:
        """From the filters as an export keeps them: values by name, batches by ``batch_no``."""
        firsts = {name: values[0] for name, values in filters.items() if values}
        others = {name: text for name, text in firsts.items() if name != "batch_no"}
        numbers = tuple(filters.get("batch_no", ()))
        return cls(Selection(batch_nos=numbers, filters=others), firsts, zone)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name for programs, its headings, and its value in a row.

    ``shown`` is the value's word for people, in ``zh`` or ``en``, where it has one.
    """

    name: str
    zh: str
    en: str
    value: Callable[[Any], Value]
    shown: Callable[[Any, str], Value] | None = None

    def heading(self, language: str) -> str:
        """The heading in ``zh`` or ``en``."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of export.

    :ivar pages: the rows, some at a time, in a fixed order, each page found by the key of the
        last row before it
    :ivar count: how many there will be
    :ivar filters: which filters it knows, by name
    """

    name: str
    zh: str
    en: str
    columns: Sequence[Column]
    pages: Callable[[Session, Wanted], Iterator[Sequence[Any]]]
    count: Callable[[Session, Wanted], int]
    filters: Sequence[str]

    def title(self, language: str) -> str:
        """Its name in ``zh`` or ``en``."""
        return self.zh if language == "zh" else self.en


def plain(name: str, zh: str, en: str) -> Column:
    """A column that is an attribute of the row."""
    return Column(name, zh, en, lambda row: getattr(row, name))


def keyed(
    session: Session, query: Select[*tuple[Any, ...]], key: InstrumentedAttribute[int], name: str
) -> Iterator[Sequence[Any]]:
    """Pages of a query in the order of a number that is unique in it.

    :param name: of that number in the rows
    """
    after = 0
    while rows := session.execute(query.where(key > after).order_by(key).limit(PAGE)).all():
        yield rows
        after = getattr(rows[-1], name)


def count_rows(session: Session, query: Select[*tuple[Any, ...]]) -> int:
    """How many rows a query has."""
    # MariaDB and MySQL refuse two columns of one name in there.
    rows = query.with_only_columns(literal(1), maintain_column_froms=True).subquery()
    return session.scalar(select(func.count()).select_from(rows)) or 0


def word(name: str, zh: str, en: str, say: Callable[[Any, str], str]) -> Column:
    """A column whose value is a code for programs and a word for people.

    :param say: the word for a value in a language; not asked where there is none
    """

    def shown(row: Any, language: str) -> Value:
        value = getattr(row, name)
        return None if value is None else say(value, language)

    def code(row: Any) -> Value:
        value = getattr(row, name)
        return value.value if isinstance(value, StrEnum) else value

    return Column(name, zh, en, code, shown)
