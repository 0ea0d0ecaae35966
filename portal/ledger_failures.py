"""Failures of the database that pass: the same transaction, begun anew, may well succeed."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, OperationalError

# MariaDB and MySQL: a deadlock, a lock that did not come free; a server that stops, cannot be
# reached, has too many connections, or ended or lost this one. A deadlock inside a savepoint undoes
# that too, so what is heard of it is that there is no such savepoint: 1305.
_MYSQL = frozenset({1205, 1213, 1305, 1020, 1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031})
# PostgreSQL: a serialization failure, a deadlock, a lock that did not come free, a server that
# stops or starts, too many connections, one that ended us for saying nothing. All of class 08 are
# about the connection.
_POSTGRESQL = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300", "25P03"})


class CommitUnknown(OperationalError):
    """The connection was lost in a commit, and nobody can be asked whether it got through.

    What it was to write may be there, so nothing may be done again unless that is harmless.
    """


def passes(error: BaseException) -> bool:
    """Whether the transaction that failed so was undone for a cause of the moment.

    SQLite's waits are not among them: who got no turn there has waited for it already.
    """
    if not isinstance(error, DBAPIError) or isinstance(error, CommitUnknown):
        return False
    if is_lost(error):
        return True
    cause = error.orig
    # Errors of MariaDB and MySQL have a state too, but one that tells less than their number.
    if cause is not None and cause.args and isinstance(cause.args[0], int):
        return cause.args[0] in _MYSQL
    return getattr(cause, "sqlstate", None) in _POSTGRESQL


def is_lost(error: DBAPIError) -> bool:
    """Whether there is no connection any more, or none could be had."""
    if error.connection_invalidated:
        return True
    cause = error.orig
    state = getattr(cause, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith("08")
    # What psycopg says for itself, without the server, is about the connection.
    return type(cause).__module__.startswith("psycopg") and isinstance(error, OperationalError)
