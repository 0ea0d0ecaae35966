"""Lists page by page: whichever way one turns, every row once and in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import DateTime, Engine, String, create_engine, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from portal.services import paging
from portal.services.paging import Leaf, Place


class Base(DeclarativeBase):
    """Tables of this test only."""


class Thing(Base):
    """Something listed."""

    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    rank: Mapped[int]
    name: Mapped[str] = mapped_column(String(20))
    seen_at: Mapped[datetime] = mapped_column(DateTime)


COLUMNS = {"id": Thing.id, "rank": Thing.rank, "name": Thing.name, "seen_at": Thing.seen_at}
START = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def things(ranks: list[int]) -> Engine:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        for rank in ranks:
            values = {
                "rank": rank,
                "name": f"名~{rank}",
                "seen_at": START + timedelta(microseconds=rank),
            }
            connection.execute(insert(Thing).values(values))
    return engine


def leaf(session: Session, place: Place) -> Leaf[Thing]:
    return paging.read(session, select(Thing), place, columns=COLUMNS, row_id=Thing.id)


@settings(deadline=None)
@given(
    ranks=st.lists(st.integers(-2, 2), max_size=14),
    sort=st.sampled_from(sorted(COLUMNS)),
    descending=st.booleans(),
    size=st.integers(1, 6),
)
def test_turning_on_and_back_shows_every_row_once_in_order(
    ranks: list[int], sort: str, descending: bool, size: int
) -> None:
    engine = things(ranks)
    with Session(engine) as session:
        everything = sorted(
            session.scalars(select(Thing)),
            key=lambda thing: (getattr(thing, sort), thing.id),
            reverse=descending,
        )
        there: list[list[int]] = []
        page = leaf(session, Place(sort, descending, size))
        assert page.first is None
        there.append([thing.id for thing in page.rows])
        while page.last is not None:
            page = leaf(session, Place(sort, descending, size, after=page.last))
            there.append([thing.id for thing in page.rows])
        assert [number for ids in there for number in ids] == [thing.id for thing in everything]
        back = [there[-1]]
        while page.first is not None:
            page = leaf(session, Place(sort, descending, size, before=page.first))
            back.append([thing.id for thing in page.rows])
        assert back[::-1] == there
    engine.dispose()


@pytest.mark.parametrize("mark", ["", "~", "x~1", "3", "²~1", "1~no number", "9" * 30 + "~1"])
def test_a_broken_mark_shows_the_first_page(mark: str) -> None:
    engine = things([3, 1, 2])
    with Session(engine) as session:
        page = leaf(session, Place("rank", descending=False, size=2, after=mark))
        assert [thing.rank for thing in page.rows] == [1, 2]
        assert page.first is None
    engine.dispose()


def test_several_selected_things_come_as_tuples() -> None:
    engine = things([3, 1])
    with Session(engine) as session:
        page: Leaf[Any] = paging.read(
            session,
            select(Thing.rank, Thing.name),
            Place("rank", descending=True),
            columns=COLUMNS,
            row_id=Thing.id,
        )
        assert page.rows == [(3, "名~3"), (1, "名~1")]
    engine.dispose()
