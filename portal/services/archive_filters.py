"""影像单据列表: which archived documents are asked for, and the query that finds them fast.

However many documents there are, a page is read in one of two ways, chosen by a short look:

* *few*: one filter alone leaves at most :data:`FEW` documents. They are found by that filter's
  index and sorted.
* *many*: every filter leaves more. The index of the order is walked until the page is full.

The columns that must not choose another index are written as expressions, so that every database
takes the same way, also without statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.models import DataSource, Document, File
from portal.services.paging import Column

FEW = 20_000
_LAST_CHARACTER = "\U0010ffff"

#: What the list can be sorted by. An amount may be missing: such documents are not in that order.
SORTS: Mapping[str, InstrumentedAttribute[Any]] = {
    "collected_at": Document.collected_at,
    "amount": Document.amount,
    "image_no": Document.image_no,
    "archived_at": Document.archived_at,
}
#: Filters that share an index with an order, so that walking it meets nothing else.
_WALKED_BY = {
    "collected_at": ("applicant", "bill_type", "org"),
    "amount": ("amounts",),
    "image_no": ("image_no",),
    "archived_at": (),
}


@dataclass(frozen=True, slots=True)
class ArchiveFilter:
    """Which documents; what is empty lets all pass. Instants are half-open, amounts inclusive."""

    source_id: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    org: str = ""
    bill_type: str = ""
    image_no: str = ""
    """How the 影像编号 begins."""
    bill_no: str = ""
    """How the 单据编号 begins."""
    applicant: str = ""
    resource: str = ""
    least: Decimal | None = None
    most: Decimal | None = None
    category: str = ""
    """A category of which the document has a file."""


Write = Callable[[InstrumentedAttribute[Any]], ColumnElement[Any]]
Condition = Callable[[Write], list[ColumnElement[bool]]]


@dataclass(frozen=True, slots=True)
class Search:
    """How the documents of a filter are read: ``few`` are their ids when there are not many."""

    wanted: ArchiveFilter
    few: Select[int] | None

    def query(self, sort: str) -> tuple[Select[Document], Column]:
        """The documents, and the column to sort them by."""
        key = SORTS[sort]
        conditions = dict(_conditions(self.wanted))
        query = select(Document).where(Document.archived_at.is_not(None))
        if sort == "amount":
            query = query.where(Document.amount.is_not(None))
        if self.few is not None:
            query = query.where(Document.id.in_(self.few))
            for condition in conditions.values():
                query = query.where(*condition(_aside))
            return query, _aside(key)
        walked = next((name for name in _WALKED_BY[sort] if name in conditions), None)
        for name, condition in conditions.items():
            by_index = name == walked or (name == "dates" and sort == "collected_at")
            query = query.where(*condition(_plain if by_index else _aside))
        return query, key

    def all(self) -> list[ColumnElement[bool]]:
        """The conditions alone, for reading in the order of ids."""
        found: list[ColumnElement[bool]] = [Document.archived_at.is_not(None)]
        if self.few is not None:
            found.append(Document.id.in_(self.few))
        for _, condition in _conditions(self.wanted):
            found += condition(_aside)
        return found


def search(session: Session, wanted: ArchiveFilter) -> Search:
    """See which way leads to the documents."""
    for ids in _by_index(session, wanted):
        some = ids.limit(FEW + 1).subquery()
        if (session.scalar(select(func.count()).select_from(some)) or 0) <= FEW:
            return Search(wanted, ids)
    return Search(wanted, None)


def prefixed(column: ColumnElement[str], beginning: str) -> list[ColumnElement[bool]]:
    """The texts that begin so, as a range of an index ordered by bytes."""
    return [column >= beginning, column < beginning + _LAST_CHARACTER]


def _by_index(session: Session, wanted: ArchiveFilter) -> Iterator[Select[int]]:
    """For each filter with an index the ids it leaves, what usually leaves least first."""
    conditions = dict(_conditions(wanted))
    for name in ("image_no", "bill_no", "applicant", "amounts", "dates", "org", "bill_type"):
        if name in conditions:
            ids = select(Document.id).where(*conditions[name](_plain))
            # Numbers have an index of all documents, the others one of the archived.
            if name not in ("image_no", "bill_no"):
                ids = ids.where(Document.archived_at.is_not(None))
            yield ids
    if wanted.source_id is not None or wanted.resource:
        sources = (
            [wanted.source_id]
            if wanted.source_id is not None
            else session.scalars(select(DataSource.id)).all()
        )
        ids = select(Document.id).where(Document.data_source_id.in_(sources))
        yield ids.where(Document.resource == wanted.resource) if wanted.resource else ids
    if wanted.category:
        files = select(File.document_id.label("id")).where(File.category == wanted.category)
        yield files.distinct()


def _conditions(wanted: ArchiveFilter) -> Iterator[tuple[str, Condition]]:
    """What each filled-in filter demands, by its name."""
    equal = {
        "source": (Document.data_source_id, wanted.source_id),
        "org": (Document.org_code, wanted.org),
        "bill_type": (Document.bill_type_code, wanted.bill_type),
        "applicant": (Document.applicant, wanted.applicant),
        "resource": (Document.resource, wanted.resource),
    }
    for name, (column, value) in equal.items():
        if value:
            yield name, _equal(column, value)
    for name, column, beginning in (
        ("image_no", Document.image_no, wanted.image_no),
        ("bill_no", Document.bill_no, wanted.bill_no),
    ):
        if beginning:
            yield name, _begins(column, beginning)
    dates = (wanted.starts_at, wanted.ends_at)
    if dates != (None, None):
        yield "dates", lambda write: _between(write(Document.collected_at), *dates)
    if (wanted.least, wanted.most) != (None, None):
        yield "amounts", lambda write: _amounts(write(Document.amount), wanted)
    if wanted.category:
        has = exists(literal(1)).where(
            File.document_id == Document.id, File.category == wanted.category
        )
        yield "category", lambda _: [has]


def _equal(column: InstrumentedAttribute[Any], value: object) -> Condition:
    return lambda write: [write(column) == value]


def _begins(column: InstrumentedAttribute[Any], beginning: str) -> Condition:
    return lambda write: prefixed(write(column), beginning)


def _between(
    column: ColumnElement[Any], starts_at: datetime | None, ends_at: datetime | None
) -> list[ColumnElement[bool]]:
    low = [column >= starts_at] if starts_at is not None else []
    return [*low, column < ends_at] if ends_at is not None else low


def _amounts(column: ColumnElement[Any], wanted: ArchiveFilter) -> list[ColumnElement[bool]]:
    low = [column >= wanted.least] if wanted.least is not None else []
    return [*low, column <= wanted.most] if wanted.most is not None else low


def _plain(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    return column.expression


def _aside(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """The same value, which no index knows."""
    return func.coalesce(column, column, type_=column.type)
