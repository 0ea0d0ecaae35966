"""The ledger's schema: bringing it up to date, while others work, and asking how it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask_migrate import upgrade as flask_migrate_upgrade
from sqlalchemy.exc import OperationalError

from migrations.floors import floor_at
from portal.app import MIGRATIONS
from portal.errors import SyncError
from portal.ledger import Ledger
from portal.services.schema_fit import Fit, fit_of, known_revisions, revision_of, scripts

# Each try gives up after three seconds; in between the workers get their turn.
_TRIES = 20
_PAUSE_SECONDS = 2.0


def upgrade(revision: str = "head", *, wait: Callable[[float], None] = time.sleep) -> None:
    """Bring the current application's ledger to a revision; nothing happens when it is there.

    :param wait: sleeps that many seconds
    :raises SyncError: SCHEMA_BUSY when others would not let a table go
    """
    for left in reversed(range(_TRIES)):
        try:
            flask_migrate_upgrade(directory=str(MIGRATIONS), revision=revision)
        except OperationalError as error:
            if not _is_busy(error):
                raise
            if not left:
                raise SyncError("SCHEMA_BUSY", detail=str(error.orig).splitlines()[0]) from error
            wait(_PAUSE_SECONDS)
        else:
            return


def fit(ledger: Ledger) -> Fit:
    """How the ledger's schema is, seen from this program."""
    with ledger.read() as session:
        return fit_of(session.connection())


def is_current(ledger: Ledger) -> bool:
    """Whether the ledger has the newest revision."""
    return fit(ledger) is Fit.CURRENT


def revision(ledger: Ledger) -> str | None:
    """The ledger's revision; None for a database without one."""
    with ledger.read() as session:
        return revision_of(session.connection())


def stops_programs(ledger: Ledger) -> bool:
    """Whether the programs that work on the ledger now could not go on after an upgrade."""
    known, now = known_revisions(), revision(ledger)
    if now is None or now not in known:
        return False
    return known.index(floor_at(scripts(), known[-1])) > known.index(now)


def _is_busy(error: OperationalError) -> bool:
    """Whether somebody else holds what is to be changed, in each database's words."""
    cause = error.orig
    lock_not_available, lock_wait_timeout = "55P03", 1205
    return (
        getattr(cause, "sqlstate", None) == lock_not_available
        or (cause is not None and cause.args[:1] == (lock_wait_timeout,))
        or "database is locked" in str(cause)
    )
