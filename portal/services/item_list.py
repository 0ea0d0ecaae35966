"""The documents of a batch as a list: filtered, sorted, page by page, at a million as at a hundred.

A list is fast when its rows stand in an index in the order asked for, and the filters leave out
few of those that are passed on the way. So each filter that has an index is asked how many rows
it leaves (the counts that months and batches carry, or a look that ends at :data:`MANY`), and the
list is read along the one that leaves fewest; every other filter only tests the rows. Indexes of
items and of organisations and types are in the order of the list (``listed``: by document id, the
order in which the source first named them). What only a few rows are left of is collected and
sorted. What this cannot help is a page for which two filters with many rows each have nearly none
in common: it passes the fewer of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.orm import Session

from portal.models import Batch, BatchItem, Document, Slice, table_of
from portal.services import paging
from portal.services.instants import instant
from portal.services.item_filter import ItemFilter, conditions
from portal.services.paging import Column, Leaf, Place
from portal.statuses import ItemStatus

SORTS = ("listed", "collected")
MANY = 20_000
"""From so many rows on it does not matter how many there are."""
_CHOICES = 200
_NEVER = instant(datetime(1, 1, 1, tzinfo=UTC))
# Along these the rows come in the order of the list.
_IN_ORDER = ("batch", "month", "status", "code", "org", "type")
_DAYS = ("first", "last")
_ITEMS = table_of(BatchItem)
Row = tuple[BatchItem, Document]
AnySelect = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Totals:
    """How many documents a filter leaves, and how many of them failed."""

    documents: int
    failed: int


def items_page(
    session: Session, batch: Batch, wanted: ItemFilter, place: Place, *, zone: ZoneInfo
) -> Leaf[Row]:
    """Documents of a batch with their items at a place of the list.

    Sorted by ``collected``, those without a day are left out.

    :param zone: where the filter's days are meant
    """
    reading = _Reading(session, batch, wanted, zone)
    if place.sort == "collected":
        return reading.by_day(place)
    return reading.as_listed(place)


def totals(session: Session, batch: Batch, wanted: ItemFilter, *, zone: ZoneInfo) -> Totals:
    """How many documents there are under a filter: at once where months and batches carry the
    counts, else by passing all that the best index leaves."""
    if wanted.given.keys() <= {"status", "month"}:
        part = _month_of(batch, wanted)
        if wanted.month and part is None:
            return Totals(0, 0)
        counts = part or batch
        documents = counts.total if wanted.status is None else _count(counts, wanted.status)
        return Totals(documents, counts.failed if _may_have_failed(wanted) else 0)
    documents = _Reading(session, batch, wanted, zone).count()
    if wanted.status is ItemStatus.FAILED:
        return Totals(documents, documents)
    if not documents or not _may_have_failed(wanted):
        return Totals(documents, 0)
    only_failed = replace(wanted, status=ItemStatus.FAILED)
    return Totals(documents, _Reading(session, batch, only_failed, zone).count())


def codes_of(session: Session, batch: Batch, name: str) -> Sequence[tuple[str, str]]:
    """What may be chosen as ``org`` or ``type``: the codes in the batch's source with their names.

    Found by hopping from one code to the next, so it costs the same however many documents there
    are; :data:`_CHOICES` at most.
    """
    code, title = {
        "org": (Document.org_code, Document.org_name),
        "type": (Document.bill_type_code, Document.bill_type_name),
    }[name]
    of_source = Document.data_source_id == batch.data_source_id
    codes = select(
        select(func.min(code)).where(of_source).scalar_subquery().label("code"),
        literal(1).label("hops"),
    ).cte("codes", recursive=True)
    following = select(func.min(code)).where(of_source, code > codes.c.code).scalar_subquery()
    codes = codes.union_all(
        select(following, codes.c.hops + 1).where(
            codes.c.code.is_not(None), codes.c.hops < _CHOICES
        )
    )
    named = (
        select(title)
        .where(of_source, code == codes.c.code)
        .order_by(Document.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(codes.c.code, named).where(codes.c.code.is_not(None), codes.c.code != "")
    return [(value, name or value) for value, name in session.execute(query)]


def causes_of(session: Session, batch: Batch) -> Sequence[str]:
    """The error codes that documents of the batch have, found by hopping likewise."""
    code = BatchItem.error_code
    of_batch = (BatchItem.batch_id == batch.id, code.is_not(None))
    codes = select(
        select(func.min(code)).where(*of_batch).scalar_subquery().label("code"),
        literal(1).label("hops"),
    ).cte("codes", recursive=True)
    following = select(func.min(code)).where(*of_batch, code > codes.c.code).scalar_subquery()
    codes = codes.union_all(
        select(following, codes.c.hops + 1).where(
            codes.c.code.is_not(None), codes.c.hops < _CHOICES
        )
    )
    return session.scalars(select(codes.c.code).where(codes.c.code.is_not(None))).all()


class _Reading:
    """One filter of one batch, and along which of its parts the rows are read."""

    def __init__(self, session: Session, batch: Batch, wanted: ItemFilter, zone: ZoneInfo) -> None:
        self._session = session
        self._batch = batch
        self._wanted = wanted
        self._part = _month_of(batch, wanted)
        self._found = conditions(session, batch, wanted, zone=zone)
        self._left = self._rows_left()

    def as_listed(self, place: Place) -> Leaf[Row]:
        return self._read(self._along(place.size), place)

    def by_day(self, place: Place) -> Leaf[Row]:
        """Sort the few that a filter leaves, or pass all of the batch in the order of days."""
        along = self._fewest()
        if self._left[along] ** 2 > place.size * max(self._batch.total, 1):
            along = "days"
        return self._read(along, place)

    def count(self) -> int:
        query = self._restricted(select(func.count()).select_from(BatchItem), self._fewest())
        return self._session.scalar(query) or 0

    def _fewest(self) -> str:
        return min(self._left, key=lambda name: self._left[name])

    def _along(self, size: int) -> str:
        """Along what a page of the list is read: in its order, unless it is less to sort."""
        fewest = self._fewest()
        if fewest in _IN_ORDER:
            return fewest
        ordered = min(
            (name for name in self._left if name in _IN_ORDER), key=self._left.__getitem__
        )
        rows = self._left[fewest]
        passed = size * self._batch.total // max(rows, 1)
        return fewest if rows <= min(passed, self._left[ordered]) else ordered

    def _rows_left(self) -> dict[str, int]:
        """How many rows each filter with an index leaves of the batch, or :data:`MANY`."""
        left = {"batch": self._batch.total}
        if self._part is not None:
            left["month"] = self._part.total
        if self._wanted.status is not None:
            left["status"] = _count(self._part or self._batch, self._wanted.status)
        if "code" in self._found:
            clauses = (self._found["batch"].indexed, self._found["code"].indexed)
            left["code"] = self._look(select(BatchItem.id).where(*clauses))
        for name, one in self._found.items():
            if not one.of_item and name not in _DAYS:
                left[name] = self._look(select(Document.id).where(one.indexed))
        days = [self._found[name].indexed for name in _DAYS if name in self._found]
        if days:
            left["days"] = self._look(select(Document.id).where(*days))
        # What is not in the order of the list has to be sorted: that only pays for a few.
        return {name: rows for name, rows in left.items() if name in _IN_ORDER or rows < MANY}

    def _look(self, query: Select[int]) -> int:
        rows = query.limit(MANY).subquery()
        return self._session.scalar(select(func.count()).select_from(rows)) or 0

    def _read(self, along: str, place: Place) -> Leaf[Row]:
        asks_items_alone = all(one.of_item for one in self._found.values())
        if asks_items_alone and place.sort == "listed":
            return self._read_items(along, place)
        of_items = self._is_of_items(along)
        query = self._restricted(select(BatchItem, Document).select_from(BatchItem), along)
        number: Column = BatchItem.document_id if of_items else Document.id
        day: Column = func.coalesce(Document.collected_at, _NEVER)
        if along not in _IN_ORDER:
            number = Document.id + 0  # sorted, as the index has another order
        if place.sort == "collected":
            query = query.where(Document.collected_at.is_not(None))
            if along == "days":
                day, number = Document.collected_at, Document.id
                query = query.where(*_days_of(self._batch))
        columns = {"listed": number, "collected": day}
        return paging.read(self._session, query, place, columns=columns, row_id=number)

    def _read_items(self, along: str, place: Place) -> Leaf[Row]:
        """The page's items first and then their documents: joined, a database may begin with the
        documents, and pass all those before the page."""
        query = self._restricted(select(BatchItem), along, joined=False)
        number = BatchItem.document_id
        leaf = paging.read(self._session, query, place, columns={"listed": number}, row_id=number)
        if not leaf.rows:
            return Leaf([], leaf.first, leaf.last)
        ids = [item.document_id for item in leaf.rows]
        found = self._session.scalars(select(Document).where(Document.id.in_(ids)))
        documents = {document.id: document for document in found}
        rows = [(item, documents[item.document_id]) for item in leaf.rows]
        return Leaf(rows, leaf.first, leaf.last)

    def _restricted(self, query: AnySelect, along: str, *, joined: bool = True) -> AnySelect:
        """The query with all filters, of which ``along`` is the one that an index answers."""
        of_items = self._is_of_items(along)
        leading = _DAYS if along == "days" else ("batch", along) if of_items else (along,)
        if along == "month":
            leading = ("month",)  # it is of this batch only
        if joined:
            query = query.join(Document, Document.id == BatchItem.document_id)
        for name, one in self._found.items():
            query = query.where(one.indexed if name in leading else one.tested)
        number = BatchItem.document_id if of_items else Document.id
        if self._part is not None and along in ("status", "code", "org", "type"):
            return query.where(*_between(number, _ITEMS.c.slice_id == self._part.id))
        if along in ("org", "type"):
            return query.where(*_between(number, _ITEMS.c.batch_id == self._batch.id))
        return query

    def _is_of_items(self, along: str) -> bool:
        return along in self._found and self._found[along].of_item


def _between(number: Column, which: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    """Between the first and the last document of a month or batch: those were named together."""
    id_ = _ITEMS.c.document_id
    first = select(func.min(id_)).where(which).correlate(None).scalar_subquery()
    last = select(func.max(id_)).where(which).correlate(None).scalar_subquery()
    return [number >= first, number <= last]


def _days_of(batch: Batch) -> list[ColumnElement[bool]]:
    """The days the batch covers, so that no older document is passed."""
    if not batch.slices:
        return []
    starts, ends = batch.slices[0].starts_at, batch.slices[-1].ends_at
    return [Document.collected_at >= starts, Document.collected_at < ends]


def _month_of(batch: Batch, wanted: ItemFilter) -> Slice | None:
    return next((part for part in batch.slices if part.month == wanted.month), None)


def _count(counts: Batch | Slice, status: ItemStatus) -> int:
    return int(getattr(counts, status.value))


def _may_have_failed(wanted: ItemFilter) -> bool:
    return wanted.status in (None, ItemStatus.FAILED)
