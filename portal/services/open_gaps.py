"""Ids below the newest sealed one whose rows may still appear.

PostgreSQL and MariaDB hand out ids before a transaction commits, so a lower id may become visible
after a higher one was sealed. Such an id is a gap, and stays open as long as a transaction is
alive that may have taken it; what appears in it meanwhile is sealed late, and that is no fault.
Once they have all ended the gap is closed: an event in it was put there by somebody else.

The order of looking makes that exact, without any clock. A writer holds its lock on the table
from before it takes an id until it has ended. Who is writing is asked *after* the look that found
the gap, so whoever took the id is among them or has ended; and asked again *before* the next
look, so what they committed is seen by that look.

MariaDB and MySQL tell an account without special rights only whether anybody holds that lock, not
who. There a gap is closed at the first look before which nobody was writing at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal.services.id_ranges import Range, without

Writers = frozenset[str]
"""The transactions that may be writing events, by names that do not come again."""

_WRITERS = text(
    "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation' "
    "AND relation = to_regclass('audit_events') AND mode = 'RowExclusiveLock' AND granted"
)


_SOMEBODY = frozenset({"somebody"})


@dataclass(frozen=True, slots=True)
class Gap:
    """Consecutive ids, and the transactions that may have taken them."""

    ids: Range
    writers: Writers

    def is_open(self, writing: Writers) -> bool:
        """Whether one of those transactions is still alive."""
        return bool(self.writers & writing)


def writing_now(session: Session) -> Writers:
    """Who may be writing events."""
    bind = session.get_bind()
    match bind.dialect.name:
        case "sqlite":
            return frozenset()
        case "postgresql":
            return frozenset(session.scalars(_WRITERS))
    # On a connection of its own: what asks here ends the transaction it is asked in.
    with bind.engine.connect() as connection:
        return _SOMEBODY if _is_written(connection) else frozenset()


def _is_written(connection: Connection) -> bool:
    """Whether the table cannot be had for reading alone at once: who writes holds its lock."""
    # Not to wait at all is what MariaDB can, and MySQL refuses to be asked for.
    shortest = 0 if getattr(connection.dialect, "is_mariadb", False) else 1
    usual = connection.scalar(text("SELECT @@lock_wait_timeout"))
    connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {shortest}")
    try:
        connection.exec_driver_sql("LOCK TABLES audit_events READ")
    except OperationalError:
        return True
    finally:
        connection.exec_driver_sql("UNLOCK TABLES")
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {usual}")
    return False


def _numbers_in_order(session: Session) -> bool:
    """On SQLite one writes at a time, so ids are taken in the order of commits: no gap fills."""
    return session.get_bind().dialect.name == "sqlite"


def new_gaps(session: Session, missing: Sequence[Range]) -> list[Gap]:
    """Ids that a look did not find, to be asked for right behind it."""
    if not missing or _numbers_in_order(session):
        return []
    writers = writing_now(session)
    return [Gap(ids, writers) for ids in missing]


def still_open(gaps: Iterable[Gap], sealed: Sequence[Range], writing: Writers) -> list[Gap]:
    """What is left of the gaps after a look, with who was writing before it."""
    return [
        Gap(ids, gap.writers)
        for gap in gaps
        if gap.is_open(writing)
        for ids in without([gap.ids], sealed)
    ]


def text_of(gaps: Iterable[Gap]) -> str:
    """The gaps as a seal keeps them."""
    return json.dumps([[*gap.ids, sorted(gap.writers)] for gap in gaps], separators=(",", ":"))


def gaps_in(kept: str) -> list[Gap]:
    """What :func:`text_of` wrote.

    :raises ValueError: when it is anything else
    """
    try:
        return [Gap((int(low), int(high)), frozenset(who)) for low, high, who in json.loads(kept)]
    except TypeError as error:
        raise ValueError("no gaps") from error
