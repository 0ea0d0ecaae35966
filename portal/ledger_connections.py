"""How connections to the ledger's database behave, on each database there is.

Whatever a server or a cluster was set up with: UTC, errors instead of silently altered values,
exact comparison, a statement that sees what is committed when it begins, and no wait for a lock
without end. A connection that died while it lay idle is noticed before it is used.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event, make_url

BUSY_SECONDS = 30
"""How long a transaction waits for its turn, and a statement for a lock."""

_CONNECT_SECONDS = 10
# How often who waits to write to SQLite looks whether it may.
_LOOK_SECONDS = 0.002
# Firewalls forget idle connections, often after an hour.
_RECYCLE_SECONDS = 1800
_SQL_MODE = (
    "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"
)
# Both compare byte by byte, so also the spaces at the end.
_EXACT_ON_MARIADB, _EXACT_ON_MYSQL = "utf8mb4_nopad_bin", "utf8mb4_0900_bin"


def engine_options(url: str) -> dict[str, Any]:
    """What ``create_engine`` is to be told for the database of this URL."""
    backend = make_url(url).get_backend_name()
    # Errors are logged: they tell the statement, and nothing of the row.
    quiet = {"hide_parameters": True}
    if backend == "sqlite":
        return quiet
    return {
        **quiet,
        # Else InnoDB locks gaps between rows too, and writers who never meet wait for each other.
        "isolation_level": "READ COMMITTED",
        "pool_pre_ping": True,
        "pool_recycle": _RECYCLE_SECONDS,
        "connect_args": {"connect_timeout": _CONNECT_SECONDS},
    }


def prepare_engine(engine: Engine) -> None:
    """Apply the rules of its database to every connection the engine makes."""
    match engine.dialect.name:
        case "sqlite":
            if engine.url.database:
                Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
            event.listen(engine, "connect", _set_pragmas)
            event.listen(engine, "begin", _begin)
        case "postgresql":
            event.listen(engine, "connect", _set_up_postgresql)
        case _:
            event.listen(engine, "connect", _set_up_mysql)


def exact_collation(version: str) -> str:
    """The collation that compares exactly, of the server that calls its version so."""
    return _EXACT_ON_MARIADB if "mariadb" in version.lower() else _EXACT_ON_MYSQL


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    patience = connection.get_execution_options().get("ledger_patience")
    if patience is None:
        connection.exec_driver_sql("BEGIN")
        return
    driven = connection.connection.driver_connection
    assert isinstance(driven, sqlite3.Connection)  # noqa: S101 - what this is listened to for
    is_ours = _take_turn(driven, patience)
    driven.execute(f"PRAGMA busy_timeout={patience * 1000 if is_ours else 0:.0f}")
    if not is_ours:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # which says why


def _take_turn(driven: sqlite3.Connection, patience: float) -> bool:
    """Begin to write, waiting for one's turn; whether it has come.

    SQLite by itself looks again less and less often, down to ten times a second: beside one who
    writes page after page another would hardly ever get in.
    """
    driven.execute("PRAGMA busy_timeout=0")
    deadline = time.monotonic() + patience
    while True:
        try:
            driven.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        else:
            return True


def _set_up_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        # Our statements are short: to compile one takes longer than to execute it.
        cursor.execute(f"SET TimeZone = 'UTC'; SET lock_timeout = '{BUSY_SECONDS}s'; SET jit = off")
    connection.commit()


def _set_up_mysql(connection: Any, _record: object) -> None:
    collation = exact_collation(connection.get_server_info())
    with connection.cursor() as cursor:
        cursor.execute(f"SET NAMES utf8mb4 COLLATE {collation}")
        cursor.execute(
            "SET SESSION time_zone = '+00:00', sql_mode = %s, innodb_lock_wait_timeout = %s",
            (_SQL_MODE, BUSY_SECONDS),
        )
        if collation == _EXACT_ON_MARIADB:
            # As on PostgreSQL (portal.ledger): the locks of a host that froze come free.
            cursor.execute("SET SESSION idle_write_transaction_timeout = 20")
