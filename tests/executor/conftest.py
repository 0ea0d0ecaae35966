from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executor.executor_rig import POSTGRESQL, Database, Gate, Rig, gates, postgresql, sqlite
from tests.executor.fake_admin import VERSIONS, FakeAdmin

NEEDS_POSTGRESQL = [
    pytest.mark.postgresql,
    pytest.mark.skipif(not POSTGRESQL, reason="IMGMIG_TEST_POSTGRESQL names no PostgreSQL"),
]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=NEEDS_POSTGRESQL)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "postgresql":
        with postgresql() as database:
            yield database
    else:
        database = sqlite(tmp_path)
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
    """An admin of every version that speaks JSON to executors."""
    with FakeAdmin(request.param) as admin:
        yield admin
