"""异构影像系统文件同步列表: every month of every batch, by month and data source.

A document is in one month of one source, but may be in that month of several batches. A month of a
batch that a later one has listed again as a whole says nothing new: it is *superseded*, and neither
counted nor judged by. What remains is judged in
:mod:`portal.services.month_state`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Subquery,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, joinedload

from portal.models import Batch, Slice
from portal.services import paging
from portal.services.damaged_documents import damaged_by_slice
from portal.services.month_state import Month, MonthOfBatch, superseded
from portal.services.paging import Leaf, Place
from portal.statuses import ListingStatus, RunStatus, SyncStatus

SORTS = ("month", "failed")
Key = tuple[str, int]
"""A month, such as ``2024-03``, and the id of a data source."""


class Equality(StrEnum):
    """同步单据数 and 同步成功单据数: equal in all that counts, or not."""

    EQUAL = "equal"
    UNEQUAL = "unequal"


@dataclass(frozen=True, slots=True)
class MonthFilter:
    """What to show; empty means all. The months are inclusive."""

    first: str = ""
    last: str = ""
    source_id: int | None = None
    equality: Equality | None = None


_other_part, _other = aliased(Slice), aliased(Batch)


def _takes_in(
    wide: InstrumentedAttribute[list[str]], narrow: InstrumentedAttribute[list[str]]
) -> ColumnElement[bool]:
    """Whether the codes of one batch take in those of another: all do, and the same ones."""
    text = cast(wide, Text)
    return or_(text == "[]", text == cast(narrow, Text))


# For filters and orders, what :func:`portal.services.month_state.superseded` says of months that
# are shown. A batch that began after this one had ended has listed all of its month again.
_SUPERSEDED = and_(
    Batch.run_status == RunStatus.ENDED,
    exists()
    .where(
        _other_part.month == Slice.month,
        _other_part.listing_status == ListingStatus.LISTED,
        _other_part.starts_at <= Slice.starts_at,
        _other_part.ends_at >= Slice.ends_at,
        _other.id == _other_part.batch_id,
        _other.data_source_id == Batch.data_source_id,
        _other.deleted_at.is_(None),
        _other.started_at > Batch.ended_at,
        _takes_in(_other.org_codes, Batch.org_codes),
        _takes_in(_other.bill_type_codes, Batch.bill_type_codes),
    )
    .correlate(Slice, Batch),
)


def month_page(session: Session, wanted: MonthFilter, place: Place) -> Leaf[Month]:
    """Months at a place of the list, which is sorted by one of :data:`SORTS`."""
    found = _keys(wanted, sort=place.sort)
    query = select(found.c.month, found.c.data_source_id)
    columns = {place.sort: found.c[place.sort]}
    leaf = paging.read(session, query, place, columns=columns, row_id=found.c.first_id)
    keys: list[Key] = [(row[0], row[1]) for row in leaf.rows]
    by_key = months_of(session, keys)
    return Leaf([by_key[key] for key in keys if key in by_key], leaf.first, leaf.last)


def months_of(session: Session, keys: Sequence[Key]) -> Mapping[Key, Month]:
    """The named months with what every batch says of them, in two queries."""
    query = (
        select(Slice, Batch)
        .join(Batch, Batch.id == Slice.batch_id)
        .options(joinedload(Batch.data_source))
        .where(
            Batch.deleted_at.is_(None),
            Slice.month.in_({month for month, _ in keys}),
            Batch.data_source_id.in_({source_id for _, source_id in keys}),
        )
        .order_by(Slice.month, Batch.data_source_id, Slice.starts_at, Batch.id)
    )
    wanted = set(keys)
    groups: dict[Key, list[tuple[Slice, Batch]]] = {}
    for part, batch in session.execute(query):
        key = (part.month, batch.data_source_id)
        if key in wanted:
            groups.setdefault(key, []).append((part, batch))
    ids = [part.id for group in groups.values() for part, _ in group]
    damaged = damaged_by_slice(session, ids)
    return {key: _month(key, group, damaged) for key, group in groups.items()}


def _month(key: Key, group: Sequence[tuple[Slice, Batch]], damaged: Mapping[int, int]) -> Month:
    old = superseded(group)
    return Month(
        month=key[0],
        source=group[0][1].data_source,
        parts=[
            MonthOfBatch(part, batch, part.id in old, damaged.get(part.id, 0))
            for part, batch in group
        ],
    )


def _keys(wanted: MonthFilter, *, sort: str) -> Subquery:
    """The months of sources that the filter lets through, with what they are sorted by.

    What was superseded is asked for only where something failed or lacks: of what has begun,
    something always counts.
    """
    began = Slice.listing_status != ListingStatus.WAITING
    lacks = and_(began, Slice.sync_status != SyncStatus.COMPLETE)
    columns: list[ColumnElement[int]] = []
    if sort == "failed":
        failed = case((Slice.failed == 0, 0), (_SUPERSEDED, 0), else_=Slice.failed)
        columns.append(failed.label("failed"))
    if wanted.equality is not None:
        columns.append(case((began, 1), else_=0).label("began"))
        open_ = case((not_(lacks), 0), (_SUPERSEDED, 0), else_=1)
        columns.append(open_.label("open"))
    rows = select(Slice.id, Slice.month, Batch.data_source_id, *columns)
    rows = rows.join(Batch, Batch.id == Slice.batch_id).where(Batch.deleted_at.is_(None))
    if wanted.first:
        rows = rows.where(Slice.month >= wanted.first)
    if wanted.last:
        rows = rows.where(Slice.month <= wanted.last)
    if wanted.source_id is not None:
        rows = rows.where(Batch.data_source_id == wanted.source_id)
    part = rows.subquery()
    sums = [func.sum(part.c[column.name]).label(column.name) for column in columns]
    grouped = select(
        part.c.month, part.c.data_source_id, func.min(part.c.id).label("first_id"), *sums
    ).group_by(part.c.month, part.c.data_source_id)
    if wanted.equality is Equality.EQUAL:
        grouped = grouped.having(func.sum(part.c.began) > 0, func.sum(part.c.open) == 0)
    elif wanted.equality is Equality.UNEQUAL:
        grouped = grouped.having(func.sum(part.c.open) > 0)
    return grouped.subquery()
