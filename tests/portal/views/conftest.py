from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, event, select

from executor.models import Base as ExecutorBase
from portal.access import Account
from portal.app import create_app
from portal.ledger import Ledger, prepare_engine
from portal.models import Base, Role, User
from portal.runtime import Portal
from portal.services import users
from portal.settings import read_settings
from tests.portal.ledger_scene import START, Scene
from tests.portal.views.page_scene import PASSWORDS, TOKEN, PageScene
from tests.portal.views.visitor import Visitor


@pytest.fixture(scope="session")
def staffed_sqlite(empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger but for one account of each role; their passwords take long to hash."""
    path = tmp_path_factory.mktemp("staffed") / "ledger.db"
    shutil.copy(empty_sqlite, path)
    engine = create_engine(f"sqlite:///{path}")
    prepare_engine(engine)
    ledger = Ledger(engine)
    with ledger.write() as session:
        for role in Role:
            password = PASSWORDS[role]
            users.add(session, role.value, role=role, password=password, by="cli", now=START)
    with engine.connect() as connection:  # all of it into the one file that is copied
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()
    return path


@pytest.fixture
def home(tmp_path: Path, staffed_sqlite: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(staffed_sqlite, folder / "ledger.db")
    return folder


@pytest.fixture
def app(home: Path) -> Iterator[Flask]:
    """The real application on its own SQLite files."""
    environment = {"IMGMIG_HOME": str(home), "XXL_JOB_ACCESS_TOKEN": TOKEN}
    app = create_app(read_settings(environment))
    yield app
    portal: Portal = app.extensions["portal"]
    portal.ledger.close()
    portal.queue.close()


@pytest.fixture
def scene(app: Flask, home: Path) -> PageScene:
    portal: Portal = app.extensions["portal"]
    return PageScene(Scene(portal.ledger), portal, home)


@pytest.fixture
def visit(app: Flask) -> Callable[[str], Visitor]:
    """Somebody logged in as ``admin``, ``operator`` or ``auditor``, or as nobody (empty)."""
    portal: Portal = app.extensions["portal"]

    def data() -> str:
        return _all_that_is_kept(portal.ledger)

    def visitor(name: str) -> Visitor:
        client = app.test_client()
        if name:
            with portal.ledger.read() as ledger:
                user = ledger.scalars(select(User).where(User.name == name)).one()
            with client.session_transaction() as session:
                session.update(_user_id=Account(user).id, _fresh=True)
        return Visitor(client, data)

    return visitor


@pytest.fixture
def admin(visit: Callable[[str], Visitor]) -> Visitor:
    return visit("admin")


@pytest.fixture
def operator(visit: Callable[[str], Visitor]) -> Visitor:
    return visit("operator")


@pytest.fixture
def auditor(visit: Callable[[str], Visitor]) -> Visitor:
    return visit("auditor")


@pytest.fixture
def stranger(visit: Callable[[str], Visitor]) -> Visitor:
    return visit("")


@pytest.fixture
def queries() -> Callable[[], Any]:
    """A context that lists the statements any database is asked while it lasts."""

    @contextmanager
    def listening() -> Iterator[list[str]]:
        asked: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if not statement.startswith("BEGIN"):
                asked.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        yield asked
        event.remove(Engine, "before_cursor_execute", note)

    return listening


def _all_that_is_kept(ledger: Ledger) -> str:
    tables = [*Base.metadata.sorted_tables, *ExecutorBase.metadata.sorted_tables]
    with ledger.read() as session:
        rows = [row for table in tables for row in session.execute(table.select())]
    return "\n".join(str(value) for row in rows for value in row)
