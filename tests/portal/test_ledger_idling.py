"""What is asked of PostgreSQL: no compiling, and no locks for who says nothing any more."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import portal.ledger
from portal.ledger import Ledger
from portal.models import BatchNumber
from tests.portal.ledger_scene import Scene


def be_frozen(ledger: Ledger) -> None:
    """Hold a row for so long that another host, which waits for it, gets it."""
    with ledger.write() as frozen:
        frozen.execute(text("INSERT INTO batch_numbers (day, last) VALUES ('2024-01-01', 7)"))
        with ledger.write() as session:
            session.execute(text("INSERT INTO batch_numbers (day, last) VALUES ('2024-01-01', 9)"))
        frozen.execute(text("UPDATE batch_numbers SET last = 8"))


def test_statements_are_not_compiled(scene: Scene) -> None:
    with scene.ledger.read() as session:
        if session.get_bind().dialect.name != "postgresql":
            pytest.skip("only PostgreSQL does")
        assert session.scalar(text("SHOW jit")) == "off"


def test_a_host_that_is_frozen_inside_a_transaction_loses_its_locks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene.ledger.read() as session:
        if session.get_bind().dialect.name != "postgresql":
            pytest.skip("one host alone writes to SQLite")
    limit = text("SET LOCAL idle_in_transaction_session_timeout = '300ms'")
    monkeypatch.setattr(portal.ledger, "_LIMIT_IDLING", limit)
    with pytest.raises(OperationalError):
        be_frozen(scene.ledger)
    with scene.ledger.read() as session:
        assert [row.last for row in session.query(BatchNumber)] == [9]
    # What only reads may take its time.
    with scene.ledger.snapshot() as session:
        session.execute(text("SELECT pg_sleep(0.5)"))
        assert session.query(BatchNumber).count() == 1
