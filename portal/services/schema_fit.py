"""Whether this program and the ledger's schema suit each other (ADR 15).

The schema is brought forward first, while programs of the release before go on working; then they
are restarted one by one. So a program meets its own schema, or a newer one. Whether the newer one
still suits it, the schema says: its floor is the oldest revision whose release works on it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select

import migrations
from portal.models import SchemaFloor, table_of

_FLOORS = table_of(SchemaFloor)


class Fit(StrEnum):
    """How the schema is, seen from this program."""

    CURRENT = "current"
    NEWER = "newer"
    """A later release's, on which this program still works."""
    OUTDATED = "outdated"
    TOO_NEW = "too_new"


def scripts() -> ScriptDirectory:
    """The revisions that this program brings along."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return ScriptDirectory.from_config(config)


@cache
def known_revisions() -> tuple[str, ...]:
    """The revisions that this program knows, the oldest first."""
    newest_first = scripts().walk_revisions()
    return tuple(reversed([script.revision for script in newest_first]))


def revision_of(connection: Connection) -> str | None:
    """The schema's revision; None for a database without one."""
    return MigrationContext.configure(connection).get_current_revision()


def floor_of(connection: Connection) -> str | None:
    """The oldest revision whose release works on the schema; None when it does not say."""
    if not inspect(connection).has_table(_FLOORS.name):
        return None
    return connection.scalar(select(_FLOORS.c.revision))


def fit_of(connection: Connection) -> Fit:
    """How the schema is."""
    known, revision = known_revisions(), revision_of(connection)
    if revision == known[-1]:
        return Fit.CURRENT
    if revision is None or revision in known:
        return Fit.OUTDATED
    return Fit.NEWER if floor_of(connection) in known else Fit.TOO_NEW
