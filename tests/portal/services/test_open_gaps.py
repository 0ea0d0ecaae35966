"""Two real transactions at once: a lower id that commits later is sealed later, and no fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.services.id_ranges import ids_of, ranges_in
from portal.services.open_gaps import gaps_in
from tests.portal.conftest import DATABASES, SERVERS, migrated
from tests.portal.ledger_scene import opened_ledger
from tests.portal.trail_scene import EVENTS, Trail

SERVERS_ONLY = [kind for kind in DATABASES if kind != "sqlite"]


@pytest.fixture(scope="module", params=SERVERS_ONLY)
def own_schema(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with SERVERS[request.param]() as url:
        migrated(tmp_path_factory.mktemp("schema"), url)
        yield url


@pytest.fixture
def trail(own_schema: str) -> Iterator[Trail]:
    with opened_ledger(own_schema) as ledger:
        trail = Trail(ledger)
        trail.tamper("DELETE FROM audit_seals", "DELETE FROM audit_events")
        if trail.is_postgresql:
            trail.tamper("SELECT setval(pg_get_serial_sequence('audit_events', 'id'), 1, false)")
        else:
            trail.tamper("ALTER TABLE audit_events AUTO_INCREMENT = 1")
        yield trail


@contextmanager
def open_transaction(ledger: Ledger) -> Iterator[Session]:
    """One that goes on beside ours; the test ends it."""
    with Session(ledger._reading) as session:
        yield session
        session.rollback()


def sealed(trail: Trail) -> list[list[int]]:
    return [list(ids_of(ranges_in(seal.ids))) for seal in trail.seals()]


def open_ids(trail: Trail) -> list[int]:
    return [number for gap in gaps_in(trail.seals()[-1].open_gaps) for number in ids_of([gap.ids])]


def test_a_lower_id_that_commits_after_a_higher_one_was_sealed(trail: Trail) -> None:
    with open_transaction(trail.ledger) as slow:
        trail.add(slow, 2)
        trail.write(2)
        assert trail.seal() == [2]
        assert (sealed(trail), open_ids(trail)) == ([[3, 4]], [1, 2])
        assert trail.faults() == []
        trail.write(1)
        assert trail.seal() == [1]  # still not ended, still open
        assert open_ids(trail) == [1, 2]
        slow.commit()
    assert trail.faults() == []  # committed, not sealed yet
    assert trail.seal() == [2]
    assert (sealed(trail), open_ids(trail)) == ([[3, 4], [5], [1, 2]], [])
    assert trail.faults(trail.anchor()) == []


def test_late_events_are_sealed_together_with_new_ones(trail: Trail) -> None:
    with open_transaction(trail.ledger) as slow:
        trail.add(slow, 1)
        trail.write(1)
        trail.add(slow, 1)
        trail.write(1)
        trail.seal()
        slow.commit()
    trail.write(1)
    assert trail.seal() == [3]
    assert sealed(trail) == [[2, 4], [1, 3, 5]]
    assert trail.faults() == []


def test_late_events_are_protected_like_all_others(trail: Trail) -> None:
    with open_transaction(trail.ledger) as slow:
        trail.add(slow, 1)
        trail.write(1)
        trail.seal()
        slow.commit()
    trail.seal()
    trail.tamper("UPDATE audit_events SET actor = 'x' WHERE id = 1")
    assert trail.faults() == [("ROW_CHANGED", 1)]
    trail.tamper("DELETE FROM audit_events WHERE id = 1")
    assert trail.faults() == [("ROW_MISSING", 1)]


def test_the_gap_of_a_transaction_that_gave_up_is_closed(trail: Trail) -> None:
    with open_transaction(trail.ledger) as slow:
        trail.add(slow, 1)
        trail.write(1)
        trail.seal()
        slow.rollback()
    assert open_ids(trail) == [1]
    trail.write(1)
    trail.seal()
    assert open_ids(trail) == []
    trail.tamper("INSERT INTO audit_events (id, at, actor, action) VALUES (1, now(), 'x', 'x')")
    trail.write(1)
    trail.seal()
    assert sealed(trail) == [[2], [3], [4]]
    assert trail.faults() == [("ROW_INSERTED", 1)]


def test_other_writers_do_not_keep_a_gap_open(trail: Trail) -> None:
    """There is always somebody writing; only those who may have taken the id count.

    MariaDB does not say who is writing, so there any of them keeps it open.
    """
    with ExitStack() as stack:
        slow, other = (stack.enter_context(open_transaction(trail.ledger)) for _ in range(2))
        trail.add(slow, 1)
        trail.write(1)
        trail.seal()
        slow.rollback()
        trail.add(other, 1)
        trail.write(1)
        trail.seal()
        assert open_ids(trail) == ([3] if trail.is_postgresql else [1, 3])
        other.commit()
    trail.seal()
    assert sealed(trail) == [[2], [4], [3]]
    assert trail.faults() == []


def test_more_late_events_than_a_step_takes(trail: Trail) -> None:
    with open_transaction(trail.ledger) as slow:
        trail.add(slow, 5)
        trail.write(1)
        trail.seal()
        slow.commit()
    trail.write(3)
    assert trail.seal(limit=2) == [2, 2, 2, 2]
    assert sealed(trail)[1:] == [[1, 2], [3, 4], [5, 7], [8, 9]]
    assert trail.faults() == []


def test_an_agent_that_was_killed_leaves_the_gaps_to_the_next(
    trail: Trail, own_schema: str
) -> None:
    """All that is known of gaps stands in the newest seal."""
    with open_transaction(trail.ledger) as slow:
        trail.add(slow, 1)
        trail.write(1)
        trail.seal()
        slow.commit()
    with opened_ledger(own_schema) as again:
        another = Trail(again)
        assert another.seal() == [1]
        assert another.faults() == []


def test_many_writers_that_commit_in_any_order(trail: Trail) -> None:
    """Whatever is visible when, in the end each event is sealed once and nothing is amiss."""
    with ExitStack() as stack:
        writers = [stack.enter_context(open_transaction(trail.ledger)) for _ in range(4)]
        for round_ in range(6):
            for writer in writers:
                trail.add(writer, 2)
            ending = writers[round_ % 4]
            (ending.rollback if round_ == 2 else ending.commit)()
            trail.seal()
            assert trail.faults() == []
    trail.write(1)
    trail.seal()
    with trail.ledger.read() as session:
        there = list(session.scalars(select(EVENTS.c.id).order_by(EVENTS.c.id)))
    assert sorted(number for one in sealed(trail) for number in one) == there
    assert trail.faults() == []


def test_the_database_lets_nobody_truncate(trail: Trail) -> None:
    if not trail.is_postgresql:
        pytest.skip("no trigger of this database knows of TRUNCATE")
    trail.write(1)
    with pytest.raises(Exception, match="append-only"), trail.ledger.write() as session:
        session.execute(text("TRUNCATE audit_events"))
