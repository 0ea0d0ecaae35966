"""The schema's floor: the oldest revision whose release works on it (ADR 15).

A revision says in ``works_since`` which release's programs still work once it is applied: that of
the revision before when it only adds what they need not know, its own when they must be stopped.
One that says nothing is taken for the latter.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.script import ScriptDirectory

_FLOORS = sa.table("schema_floors", sa.column("id"), sa.column("revision"))


def floor_at(scripts: ScriptDirectory, revision: str) -> str:
    """The newest ``works_since`` of the revisions up to this one."""
    order = [one.revision for one in scripts.iterate_revisions(revision, "base")][::-1]
    asked = [getattr(scripts.get_revision(one).module, "works_since", one) for one in order]
    return max(asked, key=order.index)


def note_floor(connection: sa.Connection, scripts: ScriptDirectory, revision: str | None) -> None:
    """Have the schema say it, once it can."""
    if revision is None or not sa.inspect(connection).has_table(_FLOORS.name):
        return
    connection.execute(_FLOORS.delete())
    connection.execute(_FLOORS.insert(), {"id": 1, "revision": floor_at(scripts, revision)})
