from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, event

from executor.current import set_current
from executor.models import Base as ExecutorBase
from portal.app import create_app
from portal.ledger import Ledger, prepare_engine
from portal.models import Base, Role
from portal.runtime import Portal
from portal.services import users
from portal.settings import read_settings
from portal.views.shared_region import shared_regions
from tests.portal.ledger_scene import START, Scene, hurry
from tests.portal.views.logged_in import be
from tests.portal.views.page_scene import PASSWORDS, TOKEN, PageScene
from tests.portal.views.visitor import Visitor
from tests.portal.views.world import World, world_of


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


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The application for all tests: to build it, its pages and its SQL takes long."""
    return _built(tmp_path_factory.mktemp("installation"))


@pytest.fixture
def home(standing: Flask, staffed_sqlite: Path) -> Path:
    """The application's folder as it is before anybody came, but for its keys."""
    portal: Portal = standing.extensions["portal"]
    folder = portal.settings.home
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix not in (".key", ".token"):
            path.unlink()
    shutil.copy(staffed_sqlite, folder / "ledger.db")
    return folder


@pytest.fixture
def app(standing: Flask, home: Path) -> Iterator[Flask]:
    """The real application; what the test before left is gone."""
    set_current(standing.extensions["portal"].executor)
    shared_regions(standing).forget()
    yield standing
    _let_go(standing)


@pytest.fixture
def fresh_app(home: Path) -> Iterator[Flask]:
    """One of its own, for a test that changes it."""
    app = _built(home)
    yield app
    _let_go(app)


def _built(home: Path) -> Flask:
    """On its own SQLite files, of which nothing is flushed: no test here pulls the plug."""
    app = create_app(read_settings({"IMGMIG_HOME": str(home), "XXL_JOB_ACCESS_TOKEN": TOKEN}))
    with app.app_context():
        event.listen(app.extensions["sqlalchemy"].engine, "connect", hurry)
    return app


def _let_go(app: Flask) -> None:
    portal: Portal = app.extensions["portal"]
    portal.ledger.close()
    portal.queue.close()


@pytest.fixture
def scene(app: Flask, home: Path) -> PageScene:
    portal: Portal = app.extensions["portal"]
    return PageScene(Scene(portal.ledger), portal, home)


@pytest.fixture
def world(app: Flask, scene: PageScene) -> World:
    return world_of(app, scene)


@pytest.fixture
def visit(app: Flask) -> Callable[[str], Visitor]:
    """Somebody logged in as ``admin``, ``operator`` or ``auditor``, or as nobody (empty)."""
    portal: Portal = app.extensions["portal"]

    def data() -> str:
        return _all_that_is_kept(portal.ledger)

    def visitor(name: str) -> Visitor:
        client = app.test_client()
        if name:
            be(client, portal, name)
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
