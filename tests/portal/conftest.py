"""The ledger on every database there is, with the schema that the real migrations build."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from urllib.parse import quote

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import Connection

from executor.models import Base as ExecutorBase
from portal import schema
from portal.app import create_app
from portal.ledger import Ledger
from portal.models import Base
from portal.runtime import current_portal
from portal.settings import read_settings
from tests.portal.ledger_scene import Scene, engine_of, opened_ledger


class SharedTemplates(BytecodeCache):
    """Compiled templates for all the applications of a test run.

    Each test has an application of its own, and to compile a page's templates takes twenty times
    as long as to show it.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code


Flask.jinja_options = {"bytecode_cache": SharedTemplates()}

POSTGRESQL = os.environ.get("IMGMIG_TEST_POSTGRESQL", "")
MARIADB = os.environ.get("IMGMIG_TEST_MARIADB", "")
DATABASES = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.postgresql),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


def migrated(home: Path, database_url: str) -> None:
    """Bring a database to the newest revision."""
    settings = read_settings({"IMGMIG_HOME": str(home), "PORTAL_DATABASE_URL": database_url})
    app = create_app(settings)
    with app.app_context():
        portal = current_portal()
        schema.upgrade()
        portal.ledger.close()
        portal.queue.close()


@contextmanager
def postgresql_schema() -> Iterator[str]:
    """The URL of a new and empty schema in the PostgreSQL that the environment names."""
    if not POSTGRESQL:
        pytest.skip("IMGMIG_TEST_POSTGRESQL names no PostgreSQL")
    name = f"portal_{uuid.uuid4().hex}"
    server = engine_of(POSTGRESQL)
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    separator = "&" if "?" in POSTGRESQL else "?"
    yield f"{POSTGRESQL}{separator}options={quote(f'-csearch_path={name}')}"
    with server.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
    server.dispose()


@contextmanager
def mariadb_database() -> Iterator[str]:
    """The URL of a new and empty database in the MariaDB that the environment names."""
    if not MARIADB:
        pytest.skip("IMGMIG_TEST_MARIADB names no MariaDB")
    name = f"portal_{uuid.uuid4().hex}"
    server = engine_of(MARIADB.rstrip("/") + "/mysql")
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield f"{MARIADB.rstrip('/')}/{name}"
    with server.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    server.dispose()


SERVERS = {"postgresql": postgresql_schema, "mariadb": mariadb_database}


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema, to be copied."""
    home = tmp_path_factory.mktemp("schema")
    migrated(home, f"sqlite:///{home / 'empty.db'}")
    return home / "empty.db"


@pytest.fixture(scope="session")
def migrated_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a schema for the whole session; every test finds its tables empty."""
    with postgresql_schema() as url:
        migrated(tmp_path_factory.mktemp("schema"), url)
        yield url


@pytest.fixture(scope="session")
def migrated_mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same in a MariaDB."""
    with mariadb_database() as url:
        migrated(tmp_path_factory.mktemp("schema"), url)
        yield url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger as the settings name it, on each database in turn."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_sqlite"), tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue(f"migrated_{request.param}")
    emptied(url)
    return url


@pytest.fixture(params=DATABASES)
def fresh_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table, as the settings name it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'fresh.db'}"
        return
    with SERVERS[request.param]() as url:
        yield url


def emptied(url: str) -> None:
    """Nothing is in its tables any more."""
    engine = engine_of(url)
    tables = [
        table
        for metadata in (Base.metadata, ExecutorBase.metadata)
        for table in reversed(metadata.sorted_tables)
    ]
    with engine.begin() as connection:
        # The trail lets nobody delete, but who owns the server can go around its triggers.
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for table in tables:
                connection.execute(table.delete())
        else:
            _empty_mariadb(connection, [table.name for table in tables])
    engine.dispose()


def _empty_mariadb(connection: Connection, tables: Sequence[str]) -> None:
    # A look at all tables is much cheaper than to empty those that are.
    filled = " UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in tables)
    for table in connection.exec_driver_sql(filled).scalars().all():
        # No trigger there knows of TRUNCATE, which takes longer than to delete.
        verb = "TRUNCATE" if table in ("audit_events", "audit_seals") else "DELETE FROM"
        connection.exec_driver_sql(f"{verb} {table}")


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """An empty ledger, on each database in turn."""
    with opened_ledger(database_url) as ledger:
        yield ledger


@pytest.fixture
def scene(ledger: Ledger) -> Scene:
    return Scene(ledger)
