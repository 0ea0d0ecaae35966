"""Sealing: every event once, in an order that stays, by one agent at a time, and cheaply."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import event, select, text
from sqlalchemy.exc import DatabaseError

from portal.ledger import Ledger
from portal.models import AuditEvent
from portal.seal_key import SealKey
from portal.services import audit, sealing
from portal.services.id_ranges import ids_of, ranges_in
from portal.services.seal_form import anchor_of, anchors_in
from portal.services.sealing import seal_state, seal_step
from tests.portal.trail_scene import EVENTS, KEY, NOW, Trail


@pytest.fixture
def trail(ledger: Ledger) -> Trail:
    return Trail(ledger)


def sealed_ids(trail: Trail) -> list[int]:
    return [event_id for seal in trail.seals() for event_id in ids_of(ranges_in(seal.ids))]


def all_ids(trail: Trail) -> list[int]:
    with trail.ledger.read() as session:
        return list(session.scalars(select(EVENTS.c.id).order_by(EVENTS.c.id)))


def test_each_event_is_sealed_once_and_in_order(trail: Trail) -> None:
    trail.write(7)
    assert trail.seal(limit=3) == [3, 3, 1]
    trail.write(2)
    assert trail.seal() == [2]
    assert trail.seal() == []
    assert sealed_ids(trail) == all_ids(trail)
    assert [(seal.no, seal.count, seal.total) for seal in trail.seals()] == [
        (1, 3, 3), (2, 3, 6), (3, 1, 7), (4, 2, 9),
    ]  # fmt: skip
    assert trail.faults() == []


def test_nothing_to_seal_writes_nothing(trail: Trail) -> None:
    assert trail.seal() == []
    assert trail.verify().is_sound
    assert trail.seals() == []


def test_an_outsider_computes_the_same_from_the_description_alone(trail: Trail) -> None:
    """The recipe of ADR 5, written once more without the product's own code."""
    at = datetime(2026, 11, 22, 16, 3, 4, 5, tzinfo=UTC)
    with trail.ledger.write() as session:
        audit.record(
            session, "source.change", by="周敏😀", at=at, old=None, new='a"b\\c\x7f\n', reason="é",
            detail={"b": [1, 2.5, None, True], "a": {"键": "值"}},
        )  # fmt: skip
    trail.seal()
    (seal,) = trail.seals()

    def ascii_json(value: Any) -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")

    with trail.ledger.read() as session:
        row = session.scalars(select(AuditEvent)).one()
    fields = ["imgmig-event-1", "2026-11-22T16:03:04.000005+00:00", "周敏😀", row.origin,
              "source.change", None, None, None, 'a"b\\c\x7f\n', "é",
              {"a": {"键": "值"}, "b": [1, 2.5, None, True]}]  # fmt: skip
    digest = hashlib.sha256(ascii_json(fields)).digest()
    assert seal.digests == digest
    head = ["imgmig-seal-1", 1, "0" * 64, "2026-11-22T08:00:00.000000+00:00", row.id, row.id,
            1, 1, row.id, str(row.id), seal.open_gaps,
            hashlib.sha256(digest).hexdigest()]  # fmt: skip
    assert seal.hash == hashlib.sha256(ascii_json(head)).hexdigest()
    secret = b"the secret key of these tests, long enough"
    key = HKDF(SHA256(), length=32, salt=None, info=b"imgmig audit seals").derive(secret)
    assert seal.mac == hmac.new(key, seal.hash.encode(), hashlib.sha256).hexdigest()
    assert str(trail.anchor()) == f"1-{seal.hash[:20]}"


def test_of_two_agents_that_seal_the_same_events_one_does(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one looks before the first one has written, and writes after it."""
    trail.write(5)
    look = sealing._look

    def look_then_wait(session: Any, limit: int) -> Any:
        monkeypatch.setattr(sealing, "_look", look)
        found = look(session, limit)
        assert seal_step(trail.ledger, KEY, now=NOW) == 5
        return found

    monkeypatch.setattr(sealing, "_look", look_then_wait)
    assert seal_step(trail.ledger, KEY, now=NOW) == 0
    assert sealed_ids(trail) == all_ids(trail)
    assert trail.faults() == []


def test_many_agents_at_once_make_one_chain(trail: Trail) -> None:
    trail.write(400)
    sealed: list[int] = []

    def agent() -> None:
        while trail.unsealed():
            sealed.append(seal_step(trail.ledger, KEY, now=NOW, limit=10))

    threads = [threading.Thread(target=agent) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sealed) == 400
    assert sealed_ids(trail) == all_ids(trail)
    assert trail.faults() == []


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("statement", ["SELECT", "INSERT", "COMMIT"])
def test_an_agent_killed_at_any_moment_leaves_all_or_nothing(trail: Trail, statement: str) -> None:
    trail.write(5)
    engine = trail.ledger._reading
    connection_events = "commit" if statement == "COMMIT" else "before_cursor_execute"

    def die(*arguments: Any) -> None:
        if statement == "COMMIT" or arguments[2].startswith(statement):
            raise _Killed

    event.listen(engine, connection_events, die)
    with pytest.raises(_Killed):
        seal_step(trail.ledger, KEY, now=NOW)
    event.remove(engine, connection_events, die)
    assert trail.seals() == []
    assert trail.seal() == [5]
    assert trail.faults() == []


@pytest.mark.parametrize("seconds", [-86_400 * 400, 86_400 * 400])
def test_a_clock_that_is_set_does_no_harm(trail: Trail, seconds: int) -> None:
    trail.write(3)
    trail.seal()
    trail.later(seconds)
    trail.write(3)
    assert trail.seal() == [3]
    trail.later(-seconds)
    trail.write(3)
    assert trail.seal() == [3]
    assert trail.faults() == []


def test_the_window_of_unsealed_events_is_known(trail: Trail) -> None:
    def state() -> sealing.SealState:
        with trail.ledger.read() as session:
            return seal_state(session)

    assert (state().sealed, state().unsealed, state().anchor) == (0, 0, None)
    trail.write(3)
    trail.seal()
    trail.later(60)
    trail.write(2)
    now = state()
    assert (now.sealed, now.unsealed, now.oldest_unsealed_at) == (3, 2, NOW + timedelta(minutes=1))
    assert [now.is_sealed(event_id) for event_id in all_ids(trail)] == [True] * 3 + [False] * 2
    assert now.anchor == trail.anchor()
    trail.seal()
    assert (state().sealed, state().unsealed, state().oldest_unsealed_at) == (5, 0, None)


def test_a_step_asks_little_however_much_it_seals(trail: Trail) -> None:
    """Three reads and one insert for two thousand events, and two reads when there are none."""
    trail.write(2000)
    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SET", "INSERT INTO ledger_commits")):
            asked.append(statement.split(maxsplit=1)[0])

    event.listen(trail.ledger._reading, "before_cursor_execute", note)
    assert seal_step(trail.ledger, KEY, now=NOW) == 2000
    assert asked in (["SELECT"] * 3 + ["INSERT"], ["SELECT"] * 4 + ["INSERT"])
    asked.clear()
    assert seal_step(trail.ledger, KEY, now=NOW) == 0
    assert asked in (["SELECT"] * 2, ["SELECT"] * 4)
    event.remove(trail.ledger._reading, "before_cursor_execute", note)


def test_ten_thousand_events(trail: Trail) -> None:
    trail.write(10_000)
    assert sum(trail.seal()) == 10_000
    report = trail.verify(trail.anchor())
    assert (report.is_sound, report.events, report.seals) == (True, 10_000, 5)
    victim = all_ids(trail)[5678]
    trail.tamper("UPDATE audit_events SET reason = 'x' WHERE id = :id", id=victim)
    assert trail.faults() == [("ROW_CHANGED", victim)]


@pytest.mark.parametrize("table", ["audit_events", "audit_seals"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
def test_the_database_lets_nobody_change_or_delete(
    trail: Trail, table: str, statement: str
) -> None:
    trail.write(2)
    trail.seal()
    column = {"audit_events": "actor", "audit_seals": "ids"}[table]
    with pytest.raises(DatabaseError, match="append-only"), trail.ledger.write() as session:
        session.execute(text(statement.format(table, column, column)))
    assert trail.faults() == []


def test_a_row_that_nobody_can_read_stops_nothing_and_never_verifies(trail: Trail) -> None:
    trail.write(5)
    if not trail.is_sqlite:
        pytest.skip("this database refuses such values itself")
    trail.tamper("UPDATE audit_events SET at = 'yesterday' WHERE id = 2")
    assert trail.seal() == [5]
    assert trail.faults() == [("ROW_CHANGED", 2)]


def test_anchors_are_found_in_any_text() -> None:
    digest = "0123456789abcdef" * 4
    text_ = (
        f"2026-11-22 08:00:00 操作日志锚点 audit anchor: {anchor_of(12, digest)}, and 7-{digest}."
    )
    assert [(anchor.no, anchor.digest) for anchor in anchors_in(text_)] == [
        (12, digest[:20]), (7, digest),
    ]  # fmt: skip
    assert list(anchors_in("2026-11-22 MB20261122-0001 0-0123456789abcdef0123")) == []


def test_keys_of_other_installations_differ() -> None:
    assert SealKey("a" * 40).mac("x") != SealKey("b" * 40).mac("x")
    assert not SealKey("a" * 40).signed("x", "é")
    assert "aaaa" not in repr(SealKey("a" * 40))
