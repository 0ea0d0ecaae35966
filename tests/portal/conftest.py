"""The ledger on every database there is, with the schema that the real migrations build."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from urllib.parse import quote

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache

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
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


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


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger as the settings name it, on each database in turn."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_sqlite"), tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("migrated_postgresql")
    _empty(url)
    return url


@pytest.fixture(params=DATABASES)
def fresh_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table, as the settings name it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'fresh.db'}"
        return
    with postgresql_schema() as url:
        yield url


def _empty(url: str) -> None:
    engine = engine_of(url)
    with engine.begin() as connection:
        # The trail lets nobody delete, but who owns the server can have triggers ignored.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for metadata in (Base.metadata, ExecutorBase.metadata):
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
    engine.dispose()


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """An empty ledger, on each database in turn."""
    with opened_ledger(database_url) as ledger:
        yield ledger


@pytest.fixture
def scene(ledger: Ledger) -> Scene:
    return Scene(ledger)
