"""What stands in addresses and forms: filters, days, ids, and the marks lists are turned by."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import Engine, Numeric, String, create_engine, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from portal.errors import NotAllowed
from portal.models import Sample
from portal.models.base import UtcDateTime
from portal.services import paging, sample_wishes, selection_filters
from portal.services.archive_list import amount_of
from portal.services.id_ranges import ranges_in, text_of
from portal.services.paging import Place
from portal.views.ids import LARGEST_ID, row_id, row_ids
from tests.fuzz.bending import bent_texts
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser

ZONE = ZoneInfo("Asia/Shanghai")


class _Base(DeclarativeBase):
    """Tables of this module only."""


class _Thing(_Base):
    """Something listed, with a column of every kind that lists are sorted by."""

    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    rank: Mapped[int]
    name: Mapped[str] = mapped_column(String(20))
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    day: Mapped[date]
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))


_COLUMNS = {
    name: getattr(_Thing, name) for name in ("id", "rank", "name", "seen_at", "day", "amount")
}
_MARKS = [
    "3", "3~2", "3~名~2", "3~2026-11-22T08:00:00+00:00", "3~2026-11-22", "3~1.50", "999~",
    "3~0001-01-01T00:00:00+23:59", "3~9999-12-31T23:59:59-23:59", "3~1E+9999", "3~sNaN", "3~-0",
]  # fmt: skip
FILTERS = {
    "org": "1001", "type": "FYBX", "resource": "EAS", "source": "影像", "image_no": "FY%_",
    "bill_no": "FY-1", "applicant": "张伟", "first": "2024-01-01", "last": "9999-12-31",
    "least": "1.5", "most": "1E5", "status": "failed", "code": "FILE_CORRUPT", "month": "2024-01",
}  # fmt: skip


@cache
def _engine() -> Engine:
    engine = create_engine("sqlite://")
    _Base.metadata.create_all(engine)
    seen = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    row = {"name": "名~2", "seen_at": seen, "day": seen.date(), "amount": Decimal("1.50")}
    with engine.begin() as connection:
        for rank in range(6):
            connection.execute(insert(_Thing).values({**row, "rank": rank}))
    return engine


def _marked(case: tuple[str, str, bool, bool]) -> bool:
    """A mark that somebody typed: rows, or the beginning of the list; and the database takes it."""
    sort, mark, descending, back = case
    marks = {"before": mark} if back else {"after": mark}
    place = Place(sort, descending, 3, **marks)
    row_id_ = _Thing.id
    with Session(_engine()) as session:
        leaf = paging.read(session, select(_Thing), place, columns=_COLUMNS, row_id=row_id_)
        for left in (leaf.first, leaf.last):
            assert left is None or paging._read_mark(left, _COLUMNS[sort], row_id_) is not None
        beginning = paging.read(
            session, select(_Thing), Place(sort, descending, 3), columns=_COLUMNS, row_id=row_id_
        )
        same = [thing.id for thing in leaf.rows] == [thing.id for thing in beginning.rows]
    assert len(leaf.rows) <= 3
    return REFUSED if same else ACCEPTED


def _filtered(filters: dict[str, str]) -> bool:
    given = selection_filters.given(filters)
    try:
        with_batch = selection_filters.of_items(given)
        clauses = [*with_batch, *selection_filters.of_documents(given, ZONE)]
        if not {"status", "code"} & given.keys():
            clauses += selection_filters.of_month(given, ZONE)
        for name in ("first", "last"):
            selection_filters.day_of(given, name)
    except NotAllowed:
        return REFUSED
    query = str(select(*clauses).compile()) if clauses else ""
    # Whatever was given is a parameter, never a part of the statement.
    assert not any(text in query for text in given.values() if len(text) > 9)
    return ACCEPTED


def _id(text: str) -> bool:
    for number in row_ids(text):
        assert 0 <= number <= LARGEST_ID
    try:
        return ACCEPTED if 0 <= row_id(text) <= LARGEST_ID else REFUSED
    except ValueError:
        return REFUSED


def _ranges(text: str) -> bool:
    try:
        found = ranges_in(text)
    except ValueError:
        return REFUSED
    assert text_of(found) == text
    return ACCEPTED


def _amount(text: str) -> bool:
    amount = amount_of(text)
    assert amount is None or abs(amount) < 10**16
    return REFUSED if amount is None else ACCEPTED


def _wish(case: tuple[str, str, str]) -> bool:
    size, limit, nonce = case
    sample = cast(Sample, SimpleNamespace(documents=1000))
    read: list[Any] = [
        lambda: sample_wishes.size_wanted(sample, size, limit),
        lambda: sample_wishes.checked_nonce(nonce),
    ]
    refusals = 0
    for one in read:
        try:
            one()
        except NotAllowed:
            refusals += 1
    return REFUSED if refusals == len(read) else ACCEPTED


PARSERS = (
    Parser(
        "mark of a list",
        st.tuples(
            st.sampled_from(sorted(_COLUMNS)), bent_texts(_MARKS), st.booleans(), st.booleans()
        ),
        _marked,
    ),
    Parser(
        "filters of a list",
        st.fixed_dictionaries(
            {}, optional={name: bent_texts([text], edits=2) for name, text in FILTERS.items()}
        ),
        _filtered,
    ),
    Parser("row id", bent_texts(["7", "12", "7,12", "999999999999999999"]), _id),
    Parser("ranges of ids", bent_texts(["7,12-2011", "1-2", "5"]), _ranges),
    Parser("amount as typed", bent_texts(["1,234.56", "-3", "1e5", "１２"]), _amount),
    Parser(
        "wishes of a sample",
        st.tuples(bent_texts(["", "20"]), bent_texts(["", "0.5"]), bent_texts(["a nonce of mine"])),
        _wish,
    ),
)
