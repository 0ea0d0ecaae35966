"""What a server undoes is done again, and once: real deadlocks, and connections really broken."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from flask import flash, get_flashed_messages, request
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from portal import ledger_commits
from portal.dispatching import PortalFlask
from portal.ledger import Ledger
from portal.ledger_failures import passes
from portal.models import BatchItem, LedgerCommit
from portal.statuses import ItemStatus
from portal.sync.sources.rows import SourceDocument
from tests.portal.broken_connections import CutWire, killed_at
from tests.portal.conftest import DATABASES, emptied
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.ledger_scene import Scene, opened_ledger, stored

DAYS = ("2024-01-01", "2024-01-02")
# A connection that was killed is left to the garbage, and psycopg says so.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
_SERVED = [kind for kind in DATABASES if kind != "sqlite"]


@pytest.fixture(params=_SERVED)
def database_url(request: pytest.FixtureRequest) -> str:
    """Of servers only: on SQLite one writes at a time, and no wire is there to tear."""
    url: str = request.getfixturevalue(f"migrated_{request.param}")
    emptied(url)
    return url


@pytest.fixture(autouse=True)
def garbage(database_url: str) -> Iterator[None]:
    """Collected here, where it is expected; behind what skips, as it takes half a second."""
    yield
    gc.collect()


@pytest.fixture
def days(ledger: Ledger) -> None:
    with ledger.write() as session:
        for day in DAYS:
            session.execute(
                text("INSERT INTO batch_numbers (day, last) VALUES (:day, 0)"), {"day": day}
            )


def add_one(session: Session, day: str) -> None:
    session.execute(text("UPDATE batch_numbers SET last = last + 1 WHERE day = :day"), {"day": day})


def last_of(ledger: Ledger, day: str) -> int:
    with ledger.read() as session:
        query = text("SELECT last FROM batch_numbers WHERE day = :day")
        return int(session.scalars(query, {"day": day}).one())


class Crossing:
    """Two who take the same two rows in opposite orders; both have the first before the second."""

    def __init__(self, *, nested: bool = False) -> None:
        self._both = threading.Barrier(2)
        self._nested = nested
        self.calls = 0

    def work(self, first: str, second: str) -> Callable[[Session], str]:
        met = False

        def work(session: Session) -> str:
            nonlocal met
            self.calls += 1
            add_one(session, first)
            if not met:
                met = True
                self._both.wait(20)
            with session.begin_nested() if self._nested else nullcontext():
                add_one(session, second)
            return first

        return work


@pytest.mark.usefixtures("days")
@pytest.mark.parametrize("nested", [False, True], ids=["plain", "in a savepoint"])
def test_of_two_that_deadlock_both_are_done_once(ledger: Ledger, nested: bool) -> None:
    crossing = Crossing(nested=nested)
    with ThreadPoolExecutor(2) as both:
        done = [both.submit(ledger.transact, crossing.work(*order)) for order in (DAYS, DAYS[::-1])]
        assert {one.result() for one in done} == set(DAYS)
    assert crossing.calls > 2
    assert [last_of(ledger, day) for day in DAYS] == [2, 2]


@pytest.mark.usefixtures("days")
def test_without_beginning_anew_a_deadlock_is_an_error(ledger: Ledger) -> None:
    """The same crossing, to know that the server really undoes one of them."""
    crossing = Crossing()

    def once(order: tuple[str, str]) -> bool:
        try:
            with ledger.write() as session:
                crossing.work(*order)(session)
        except DBAPIError as error:
            if not passes(error):
                raise
            return False
        return True

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(once, (DAYS, DAYS[::-1]))) == [False, True]
    assert [last_of(ledger, day) for day in DAYS] == [1, 1]


@pytest.mark.usefixtures("days")
def test_what_committed_something_is_not_begun_anew(ledger: Ledger) -> None:
    calls = 0

    def step() -> None:
        nonlocal calls
        calls += 1
        with ledger.write() as session:
            add_one(session, DAYS[0])
        with ledger.write() as session, killed_at(ledger._reading, 1):
            add_one(session, DAYS[1])

    with pytest.raises(OperationalError):
        ledger.again(step)
    assert calls == 1
    assert last_of(ledger, DAYS[0]) == 1


@pytest.mark.usefixtures("days")
def test_what_only_looked_is_begun_anew(ledger: Ledger) -> None:
    calls = 0

    def step() -> None:
        nonlocal calls
        calls += 1
        with ledger.write() as session:  # finds nothing to change
            session.execute(text("UPDATE batch_numbers SET last = 9 WHERE last > 8"))
        with ledger.write() as session:
            if calls == 1:
                with killed_at(ledger._reading, 1):
                    add_one(session, DAYS[0])
            add_one(session, DAYS[0])

    ledger.again(step)
    assert (calls, last_of(ledger, DAYS[0])) == (2, 1)


@pytest.mark.usefixtures("days")
def test_a_connection_that_was_killed_while_idle_is_not_noticed(ledger: Ledger) -> None:
    engine = ledger._reading
    with killed_at(engine, 1), pytest.raises(OperationalError), ledger.read() as session:
        session.execute(text("SELECT 1"))
    with ledger.read() as session:
        assert session.scalar(text("SELECT 1")) == 1


@pytest.mark.usefixtures("days")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_wire_that_tears_in_a_commit(ledger: Ledger, database_url: str, moment: str) -> None:
    """Whether the server heard of the commit or not, it is done once and gives its result."""
    wire = CutWire(database_url)
    with opened_ledger(wire.url) as far:
        far.transact(lambda session: add_one(session, DAYS[1]))  # connects
        calls = 0

        def work(session: Session) -> str:
            nonlocal calls
            calls += 1
            add_one(session, DAYS[0])
            return "done"

        wire.cut = moment
        assert far.transact(work) == "done"
    wire.close()
    assert wire.cuts == 1
    assert calls == (2 if moment == "before" else 1)
    assert last_of(ledger, DAYS[0]) == 1


def test_tokens_of_commits_are_forgotten_after_an_hour(ledger: Ledger) -> None:
    now = datetime(2026, 11, 22, 8, tzinfo=UTC)
    with ledger.write() as session:
        for minutes in (59, 61):
            at = now - timedelta(minutes=minutes)
            session.add(LedgerCommit(token=str(minutes), at=at))
    ledger.transact(lambda session: ledger_commits.forget_old(session, now=now))
    with ledger.read() as session:
        known = set(session.scalars(select(LedgerCommit.token)))
    assert "59" in known
    assert "61" not in known


# The engine: whatever statement the connection dies at, nothing is lost and nothing done twice.


def some(count: int, round_no: int) -> list[SourceDocument]:
    return [make_document(10 * round_no + number) for number in range(count)]


def events_of(scene: Scene, batch_id: int) -> list[tuple[str, Any]]:
    return [(event.action, event.document_id) for event in scene.events(batch_id)]


def test_recording_survives_a_kill_at_any_statement(scene: Scene) -> None:
    engine = scene.ledger._reading
    statement_no, reached = 0, True
    while reached:
        statement_no += 1
        batch_id = scene.listed_batch(some(2, statement_no))
        claims = scene.claim(batch_id)
        results = [stored(claim) for claim in claims]
        desk = scene.desk(batch_id)
        with killed_at(engine, statement_no) as seen:
            assert desk.settle(results) == []
            reached = len(seen) >= statement_no
        assert scene.counts(batch_id) == (2, 2, 0, 0)
        ended = [one for one in events_of(scene, batch_id) if one[1] is not None]
        assert len(ended) == len(set(ended)) == 2
        scene.advance(1)
    assert statement_no > 5


def test_claiming_survives_a_kill_at_any_statement(scene: Scene) -> None:
    engine = scene.ledger._reading
    statement_no, reached = 0, True
    while reached:
        statement_no += 1
        batch_id = scene.listed_batch(some(2, statement_no))
        desk = scene.desk(batch_id)
        with killed_at(engine, statement_no) as seen:
            claims = desk.claim(10)
            reached = len(seen) >= statement_no
        assert sorted(claim.fence for claim in claims) == [1, 1]
        with scene.ledger.read() as session:
            losses = session.scalars(
                select(BatchItem.losses).where(BatchItem.batch_id == batch_id)
            ).all()
        assert losses == [1, 1]
    assert statement_no > 5


def test_listing_survives_a_kill_at_any_statement(scene: Scene) -> None:
    engine = scene.ledger._reading
    statement_no, reached = 0, True
    while reached:
        statement_no += 3
        batch_id = scene.add_batch()
        source = FakeSource(some(3, statement_no), page_size=2)
        part = scene.slice(batch_id)
        with killed_at(engine, statement_no) as seen:
            # What only reads is not begun anew: the next look at the month is.
            for _ in range(3):
                try:
                    scene.discovery(source).list_slice(part.id)
                except OperationalError:
                    scene.advance(600)
            reached = len(seen) >= statement_no
        assert scene.counts(batch_id)[0] == 3
        with scene.ledger.read() as session:
            pending = session.scalar(
                select(func.count())
                .select_from(BatchItem)
                .where(BatchItem.batch_id == batch_id, BatchItem.status == ItemStatus.PENDING)
            )
        assert pending == 3


# What people and admins ask for.


def test_a_request_whose_connection_dies_is_answered_as_if_nothing_had_been(
    ledger: Ledger, days: None
) -> None:
    app = PortalFlask("t")
    app.secret_key = "k"
    app.extensions["portal"] = SimpleNamespace(ledger=ledger)

    @app.post("/")
    def view() -> str:
        flash("going")
        sent = request.files["file"].read().decode()
        with ledger.write() as session:
            add_one(session, DAYS[0])
            add_one(session, DAYS[1])
        return f"{sent} {get_flashed_messages()}"

    with killed_at(ledger._reading, 2) as seen:
        answer = app.test_client().post("/", data={"file": (BytesIO("文件".encode()), "f")})
        assert len(seen) > 2
    assert (answer.status_code, answer.text) == (HTTPStatus.OK, "文件 ['going']")
    assert [last_of(ledger, day) for day in DAYS] == [1, 1]
