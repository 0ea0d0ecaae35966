"""Verification: whatever is done to a sealed trail shows, and the first row of it is named."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from portal.errors import PROBLEMS
from portal.ledger import Ledger
from portal.seal_key import SealKey
from portal.services import audit_verification
from portal.services.audit_findings import MOST_KEPT
from portal.services.seal_form import Anchor
from tests.portal.ledger_scene import opened_ledger
from tests.portal.trail_scene import EVENTS, KEY, Trail

OTHER_KEY = SealKey("somebody else's secret key, as long as ours")
COLUMNS = (
    "at", "actor", "origin", "action", "batch_id", "document_id", "old", "new", "reason", "detail"
)  # fmt: skip
OTHER_VALUES = {
    "at": "'2020-01-01 00:00:00.000000'",
    "batch_id": "9",
    "document_id": "9",
    "detail": "'{}'",
}


@pytest.fixture
def trail(ledger: Ledger) -> Trail:
    """Twelve events in four seals."""
    trail = Trail(ledger)
    for _ in range(4):
        trail.write(3)
        trail.seal()
        trail.later(5)
    return trail


@pytest.fixture
def ids(trail: Trail) -> list[int]:
    with trail.ledger.read() as session:
        return list(session.scalars(select(EVENTS.c.id).order_by(EVENTS.c.id)))


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_of_any_column(trail: Trail, ids: list[int], column: str) -> None:
    value = OTHER_VALUES.get(column, "'x'")
    trail.tamper(f"UPDATE audit_events SET {column} = {value} WHERE id = :id", id=ids[4])
    assert trail.faults() == [("ROW_CHANGED", ids[4])]


def test_a_value_taken_away(trail: Trail, ids: list[int]) -> None:
    trail.tamper("UPDATE audit_events SET reason = NULL WHERE id = :id", id=ids[0])
    assert trail.faults() == [("ROW_CHANGED", ids[0])]


@pytest.mark.parametrize("place", [0, 5, 11])
def test_a_deleted_event(trail: Trail, ids: list[int], place: int) -> None:
    trail.tamper("DELETE FROM audit_events WHERE id = :id", id=ids[place])
    assert trail.faults() == [("ROW_MISSING", ids[place])]


def insert_copy(trail: Trail, event_id: int) -> None:
    columns = ", ".join(COLUMNS)
    trail.tamper(
        f"INSERT INTO audit_events (id, {columns}) SELECT :id, {columns} FROM audit_events LIMIT 1",
        id=event_id,
    )


def test_an_event_put_before_all_others(trail: Trail) -> None:
    for event_id in (0, -7):
        insert_copy(trail, event_id)
    assert trail.faults() == [("ROW_INSERTED", -7), ("ROW_INSERTED", 0)]


def test_an_event_put_where_none_was(trail: Trail, ids: list[int]) -> None:
    """In a number that a transaction took and gave up; the next seal has closed the gap."""
    gone = ids[-1] + 1
    insert_copy(trail, gone + 1)
    if trail.is_postgresql:
        trail.tamper(f"SELECT setval(pg_get_serial_sequence('audit_events', 'id'), {gone + 1})")
    trail.seal()
    trail.write()
    trail.seal()
    insert_copy(trail, gone)
    assert trail.faults() == [("ROW_INSERTED", gone)]


def test_two_events_that_changed_places(trail: Trail, ids: list[int]) -> None:
    first, second = ids[1], ids[10]
    trail.tamper(
        f"UPDATE audit_events SET id = -1 WHERE id = {first}",
        f"UPDATE audit_events SET id = {first} WHERE id = {second}",
        f"UPDATE audit_events SET id = {second} WHERE id = -1",
    )
    assert trail.faults() == [("ROW_MOVED", first), ("ROW_MOVED", second)]
    assert trail.verify().faults[0].params == {"event": first, "of": second}


def test_a_tail_that_was_cut_shows_by_an_anchor(trail: Trail, ids: list[int]) -> None:
    anchor = trail.anchor()
    trail.tamper(
        "DELETE FROM audit_seals WHERE no >= 3", "DELETE FROM audit_events WHERE id >= :id",
        id=ids[6],
    )  # fmt: skip
    assert trail.faults() == []  # nothing in the database tells of it
    assert trail.faults(anchor) == [("TAIL_CUT", ids[6])]


def test_a_cut_tail_is_not_hidden_by_what_was_sealed_since(trail: Trail, ids: list[int]) -> None:
    anchor = trail.anchor()
    trail.tamper(
        "DELETE FROM audit_seals WHERE no >= 3", "DELETE FROM audit_events WHERE id >= :id",
        id=ids[6],
    )  # fmt: skip
    for _ in range(3):
        trail.write()
        trail.seal()
    assert trail.faults(anchor, trail.anchor()) == [("ANCHOR_MISMATCH", 1)]
    (second,) = [Anchor(seal.no, seal.hash) for seal in trail.seals() if seal.no == 2]
    assert trail.faults(anchor, second, trail.anchor()) == [("ANCHOR_MISMATCH", ids[6])]


def test_a_whole_trail_that_is_gone(trail: Trail) -> None:
    anchor = trail.anchor()
    trail.tamper("DELETE FROM audit_seals", "DELETE FROM audit_events")
    assert trail.faults(anchor) == [("TAIL_CUT", 1)]


def test_a_chain_rebuilt_without_our_key(trail: Trail, ids: list[int]) -> None:
    trail.tamper("UPDATE audit_events SET actor = 'x' WHERE id = :id", id=ids[3])
    trail.rebuild(key=OTHER_KEY, since=2)
    assert trail.faults()[0] == ("SEAL_FORGED", ids[3])


def test_a_chain_rebuilt_with_our_key_shows_by_an_anchor(trail: Trail, ids: list[int]) -> None:
    (first,) = [Anchor(seal.no, seal.hash[:20]) for seal in trail.seals() if seal.no == 1]
    newest = trail.anchor()
    trail.tamper("UPDATE audit_events SET actor = 'x' WHERE id = :id", id=ids[3])
    trail.rebuild(key=KEY, since=2)
    assert trail.faults() == []
    # It has fewer seals now; which ones were rebuilt, the anchors say.
    assert trail.faults(newest) == [("TAIL_CUT", trail.verify().events + ids[0])]
    for _ in range(3):
        trail.write()
        trail.seal()
    assert trail.faults(first, newest) == [("ANCHOR_MISMATCH", ids[3])]


def test_a_seal_that_was_changed_and_hashed_anew(trail: Trail, ids: list[int]) -> None:
    seal = trail.seals()[1]
    trail.resign(2, digests=seal.digests[:-1] + b"?")
    assert trail.faults() == [
        ("SEAL_FORGED", ids[3]), ("ROW_CHANGED", ids[5]), ("CHAIN_BROKEN", ids[6]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value"),
    [("count", "7"), ("total", "7"), ("first_id", "7"), ("previous", "'x'"), ("hash", "'x'"),
     ("reached_id", "7000000"), ("ids", "'1-3'"), ("ids", "'junk'"), ("open_gaps", "'[7]'"),
     ("form", "2"), ("sealed_at", "'2020-01-01 00:00:00.000000'")],
)  # fmt: skip
def test_a_changed_seal(trail: Trail, ids: list[int], column: str, value: str) -> None:
    trail.tamper(f"UPDATE audit_seals SET {column} = {value} WHERE no = 2")
    found = trail.faults()
    assert "SEAL_CHANGED" in [code for code, _ in found]
    assert min(event_id for _, event_id in found) in (1, 7, ids[3])


def test_a_seal_with_another_signature(trail: Trail, ids: list[int]) -> None:
    trail.tamper("UPDATE audit_seals SET mac = 'é' WHERE no = 2")
    assert trail.faults() == [("SEAL_FORGED", ids[3])]


def test_seals_that_are_gone(trail: Trail, ids: list[int]) -> None:
    trail.tamper("DELETE FROM audit_seals WHERE no IN (2, 3)")
    assert trail.faults() == [("SEAL_MISSING", ids[3])]
    assert trail.verify().faults[0].params == {"event": ids[3], "no": 2, "until": 3}
    trail.tamper("DELETE FROM audit_seals WHERE no = 1")
    assert trail.faults() == [("SEAL_MISSING", 1)]


def test_another_key_fits_no_seal(trail: Trail) -> None:
    assert [code for code, _ in trail.faults(key=OTHER_KEY)] == ["SEAL_FORGED"] * 4


def test_an_anchor_of_another_installation(trail: Trail) -> None:
    assert trail.faults(Anchor(2, "0" * 20)) == [("ANCHOR_MISMATCH", 1)]


def test_every_anchor_there_ever_was_fits(trail: Trail) -> None:
    anchors = [Anchor(seal.no, seal.hash[:length]) for seal in trail.seals() for length in (20, 64)]
    report = trail.verify(*anchors)
    assert (report.is_sound, report.anchors) == (True, 8)


def test_a_trail_that_was_destroyed_is_told_in_short(trail: Trail) -> None:
    trail.write(MOST_KEPT * 2)
    trail.seal()
    trail.tamper("UPDATE audit_events SET actor = 'x'")
    report = trail.verify()
    assert (len(report.faults), report.count) == (MOST_KEPT, MOST_KEPT * 2 + 12)


def test_the_events_not_sealed_yet_are_counted_and_no_fault(trail: Trail) -> None:
    trail.write(4)
    report = trail.verify()
    assert (report.is_sound, report.events, report.unsealed) == (True, 12, 4)
    assert report.oldest_unsealed_at == trail.now


def test_every_fault_has_its_words() -> None:
    text = Path(str(audit_verification.__file__)).read_text() + "AUDIT_ROW_MOVED AUDIT_ROW_CHANGED"
    for code in PROBLEMS:
        if code.startswith("AUDIT_"):
            assert code in text


@pytest.fixture(scope="module")
def sealed_file(empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with forty events in seals of seven, to be copied and spoilt."""
    path = tmp_path_factory.mktemp("sealed") / "ledger.db"
    shutil.copy(empty_sqlite, path)
    with opened_ledger(f"sqlite:///{path}") as ledger:
        trail = Trail(ledger)
        trail.write(40)
        trail.seal(limit=7)
        trail.tamper("PRAGMA user_version")
    with opened_ledger(f"sqlite:///{path}") as ledger, ledger.read() as session:
        session.connection().exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@st.composite
def tampering(draw: st.DrawFn) -> tuple[str, list[int]]:
    """A statement, and the events of which one must be the first that is named."""
    event_id = draw(st.integers(1, 40))
    other = draw(st.integers(1, 40).filter(lambda number: number != event_id))
    column = draw(st.sampled_from(("actor", "action", "old", "new", "reason", "origin")))
    value = draw(st.text(st.characters(codec="utf-8", exclude_characters="'\0:\\"), max_size=8))
    return draw(
        st.sampled_from(
            [
                (f"UPDATE audit_events SET {column} = '~{value}' WHERE id = {event_id}", event_id),
                (f"UPDATE audit_events SET origin = NULL WHERE id = {event_id}", event_id),
                (f"DELETE FROM audit_events WHERE id = {event_id}", event_id),
                (f"DELETE FROM audit_events WHERE id >= {event_id}", event_id),
                (f"UPDATE audit_events SET id = -id WHERE id = {event_id}", -event_id),
                (
                    "UPDATE audit_events SET document_id = document_id + 1, "
                    f"actor = 'w' || (id + 1) WHERE id >= {event_id} AND id < 40",
                    event_id,
                ),
                (
                    "INSERT INTO audit_events (id, at, actor, action) SELECT "
                    f"{-event_id}, at, actor, action FROM audit_events WHERE id = {other}",
                    -event_id,
                ),
            ]
        ).map(lambda pair: (pair[0], [pair[1]]))
    )


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(done=tampering())
def test_any_tampering_is_found_and_its_first_row_named(
    sealed_file: Path, done: tuple[str, list[int]]
) -> None:
    statement, first = done
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(sealed_file, folder / "ledger.db")
        ledger = cleanup.enter_context(opened_ledger(f"sqlite:///{folder / 'ledger.db'}"))
        trail = Trail(ledger)
        before = _rows(trail)
        trail.tamper(statement)
        named = [event_id for _, event_id in trail.faults()]
        assert named[:1] == (first if _rows(trail) != before else [])


def _rows(trail: Trail) -> list[object]:
    with trail.ledger.read() as session:
        return [tuple(row) for row in session.execute(select(EVENTS))]
