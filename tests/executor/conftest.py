from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executor.executor_rig import (
    MARIADB,
    POSTGRESQL,
    Database,
    Gate,
    Rig,
    gates,
    in_folder,
    mariadb,
    opened,
    postgresql,
)
from tests.executor.fake_admin import VERSIONS, FakeAdmin

NEEDS_POSTGRESQL = [
    pytest.mark.postgresql,
    pytest.mark.skipif(not POSTGRESQL, reason="IMGMIG_TEST_POSTGRESQL names no PostgreSQL"),
]


NEEDS_MARIADB = [
    pytest.mark.mariadb,
    pytest.mark.skipif(not MARIADB, reason="IMGMIG_TEST_MARIADB names no MariaDB"),
]
DATABASES = [
    "sqlite",
    pytest.param("postgresql", marks=NEEDS_POSTGRESQL),
    pytest.param("mariadb", marks=NEEDS_MARIADB),
]


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of an empty database, of each kind in turn."""
    if request.param == "postgresql":
        with postgresql() as url:
            yield url
    elif request.param == "mariadb":
        with mariadb() as url:
            yield url
    else:
        yield in_folder(tmp_path)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = opened(database_url)
    yield database
    database.engine.dispose()


@pytest.fixture
def rig(database: Database) -> Rig:
    return Rig(database)


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Iterator[tuple[str, Gate]]:
    """A name for the parameter of the ``gated`` handler, and its gate."""
    name = request.node.name
    gates[name] = Gate()
    yield name, gates[name]
    gates.pop(name).leave.set()


@pytest.fixture
def admin() -> Iterator[FakeAdmin]:
    with FakeAdmin() as admin:
        yield admin


@pytest.fixture(params=VERSIONS)
def any_admin(request: pytest.FixtureRequest) -> Iterator[FakeAdmin]:
    """An admin of every version that differs from the others."""
    with FakeAdmin(request.param) as admin:
        yield admin
