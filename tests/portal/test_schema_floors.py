"""Which programs may work on which schema, and how an upgrade takes its turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import downgrade
from sqlalchemy import text

from migrations.floors import floor_at
from portal import schema
from portal.app import MIGRATIONS, create_app
from portal.cli.schema_watch import EVERY_SECONDS, SchemaWatch
from portal.errors import SyncError
from portal.ledger import Ledger
from portal.services.schema_fit import Fit, fit_of, floor_of, known_revisions, scripts
from portal.settings import read_settings
from tests.portal.conftest import postgresql_schema
from tests.portal.ledger_scene import engine_of

SINCE = "0022"
"""The revision from which on revisions say whom they stop."""


def moved_on(ledger: Ledger, floor: str) -> None:
    """As a later release leaves the schema behind."""
    with ledger.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        session.execute(text("DELETE FROM schema_floors"))
        session.execute(text("INSERT INTO schema_floors VALUES (1, :floor)"), {"floor": floor})


def as_it_was(ledger: Ledger) -> None:
    """The schema is shared by the tests of a session."""
    newest = known_revisions()[-1]
    with ledger.write() as session:
        values = {"newest": newest, "floor": floor_at(scripts(), newest)}
        session.execute(text("UPDATE alembic_version SET version_num = :newest"), values)
        session.execute(text("UPDATE schema_floors SET revision = :floor"), values)


@pytest.fixture
def shared(ledger: Ledger) -> Iterator[Ledger]:
    as_it_was_before = ledger
    with ledger.write() as session:
        session.execute(text("DELETE FROM schema_floors"))
        values = {"floor": floor_at(scripts(), known_revisions()[-1])}
        session.execute(text("INSERT INTO schema_floors VALUES (1, :floor)"), values)
    yield ledger
    as_it_was(as_it_was_before)


def test_every_revision_since_says_whom_it_stops() -> None:
    known = known_revisions()
    for revision in known[known.index(SINCE) :]:
        script = scripts().get_revision(revision)
        floor = getattr(script.module, "works_since", None)
        assert floor in known[: known.index(revision) + 1], revision


def test_a_newer_schema_suits_a_program_that_knows_its_floor(shared: Ledger) -> None:
    assert schema.fit(shared) is Fit.CURRENT
    moved_on(shared, known_revisions()[-1])
    assert schema.fit(shared) is Fit.NEWER
    moved_on(shared, "9998")
    assert schema.fit(shared) is Fit.TOO_NEW


def test_a_process_is_ended_when_the_schema_has_moved_on_too_far(shared: Ledger) -> None:
    ended: list[bool] = []
    now = [0.0]
    watch = SchemaWatch(shared, end=lambda: ended.append(True), clock=lambda: now[0])
    moved_on(shared, known_revisions()[-1])
    now[0] = EVERY_SECONDS
    watch.look()
    assert ended == []
    moved_on(shared, "9998")
    watch.look()
    assert ended == []  # it is not time yet
    now[0] = 2 * EVERY_SECONDS
    watch.look()
    assert ended == [True]


@pytest.fixture
def fresh(fresh_database: str, tmp_path: Path) -> Iterator[Flask]:
    environ = {"IMGMIG_HOME": str(tmp_path / "home"), "PORTAL_DATABASE_URL": fresh_database}
    app = create_app(read_settings(environ))
    portal = app.extensions["portal"]
    with app.app_context():
        yield app
    portal.ledger.close()
    portal.queue.close()


def test_the_floor_goes_up_and_down_with_the_schema(fresh: Flask) -> None:
    ledger: Ledger = fresh.extensions["portal"].ledger
    schema.upgrade("0018")
    with ledger.read() as session:
        assert floor_of(session.connection()) is None
        assert fit_of(session.connection()) is Fit.OUTDATED
    schema.upgrade()
    with ledger.read() as session:
        floor = floor_of(session.connection())
    assert floor == floor_at(scripts(), known_revisions()[-1])
    downgrade(directory=str(MIGRATIONS), revision="0018")
    with ledger.read() as session:
        assert floor_of(session.connection()) is None


@pytest.mark.postgresql
def test_an_upgrade_lets_others_pass_while_it_cannot_have_its_turn(tmp_path: Path) -> None:
    with postgresql_schema() as url:
        environ = {"IMGMIG_HOME": str(tmp_path / "home"), "PORTAL_DATABASE_URL": url}
        app = create_app(read_settings(environ))
        portal = app.extensions["portal"]
        with app.app_context():
            schema.upgrade("0017")
            engine = engine_of(url)
            with engine.connect() as reader:
                # Somebody reads the table that the next revisions refer to.
                reader.execute(text("LOCK TABLE data_sources IN SHARE ROW EXCLUSIVE MODE"))
                waits: list[float] = []

                def others_pass(seconds: float) -> None:
                    waits.append(seconds)
                    if len(waits) == 1:
                        assert schema.revision(portal.ledger) == "0017"
                    reader.rollback()

                schema.upgrade(wait=others_pass)
            assert waits
            assert schema.is_current(portal.ledger)
            engine.dispose()
        portal.ledger.close()
        portal.queue.close()


@pytest.mark.postgresql
def test_an_upgrade_that_never_gets_its_turn_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_TRIES", 1)
    with postgresql_schema() as url:
        environ = {"IMGMIG_HOME": str(tmp_path / "home"), "PORTAL_DATABASE_URL": url}
        app = create_app(read_settings(environ))
        portal = app.extensions["portal"]
        with app.app_context():
            schema.upgrade("0017")
            engine = engine_of(url)
            with engine.connect() as reader:
                reader.execute(text("LOCK TABLE data_sources IN SHARE ROW EXCLUSIVE MODE"))
                with pytest.raises(SyncError) as refused:
                    schema.upgrade()
            assert refused.value.code == "SCHEMA_BUSY"
            assert schema.revision(portal.ledger) == "0017"
            engine.dispose()
        portal.ledger.close()
        portal.queue.close()
