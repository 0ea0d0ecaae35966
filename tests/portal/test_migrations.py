from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade
from sqlalchemy import inspect, text

from executor.models import Base as ExecutorBase
from portal import schema
from portal.app import MIGRATIONS, create_app
from portal.ledger import Ledger
from portal.models import Base
from portal.settings import read_settings

TABLES = {*Base.metadata.tables, *ExecutorBase.metadata.tables}


@pytest.fixture
def app(fresh_database: str, tmp_path: Path) -> Iterator[Flask]:
    """The application on a database in which nothing is."""
    environ = {"IMGMIG_HOME": str(tmp_path / "home"), "PORTAL_DATABASE_URL": fresh_database}
    app = create_app(read_settings(environ))
    portal = app.extensions["portal"]
    with app.app_context():
        yield app
    portal.ledger.close()
    portal.queue.close()


@pytest.fixture
def ours(app: Flask) -> Ledger:
    ledger: Ledger = app.extensions["portal"].ledger
    return ledger


def tables(ledger: Ledger) -> set[str]:
    with ledger.read() as session:
        return set(inspect(session.connection()).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again(ours: Ledger) -> None:
    assert not schema.is_current(ours)
    for _ in range(2):
        schema.upgrade()
        assert schema.is_current(ours)
        assert tables(ours) == TABLES
        downgrade(directory=str(MIGRATIONS), revision="base")
        assert tables(ours) == set()
        assert not schema.is_current(ours)


def test_an_upgrade_of_what_is_current_keeps_everything(ours: Ledger) -> None:
    schema.upgrade()
    with ours.write() as session:
        session.execute(text("INSERT INTO batch_numbers (day, last) VALUES ('2024-01-01', 7)"))
    schema.upgrade()
    with ours.read() as session:
        assert session.scalar(text("SELECT last FROM batch_numbers")) == 7


def test_the_revisions_build_what_the_models_say(ours: Ledger) -> None:
    schema.upgrade()
    with ours.read() as session:
        options = {"compare_type": True, "target_metadata": None}
        context = MigrationContext.configure(session.connection(), opts=options)
        found = [
            difference
            for metadata in (Base.metadata, ExecutorBase.metadata)
            for difference in compare_metadata(context, metadata)
            if not _is_of_the_other_package(difference)
        ]
    assert found == []


def _is_of_the_other_package(difference: object) -> bool:
    """Each package's metadata misses the other's tables, which the revisions build too."""
    match difference:
        case ("remove_table", table):
            return table.name in TABLES  # type: ignore[attr-defined]
        case ("remove_index", index):
            return index.table.name in TABLES  # type: ignore[attr-defined]
    return False
