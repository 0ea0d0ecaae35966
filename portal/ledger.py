"""How the ledger's database is opened: short write transactions that never deadlock on SQLite.

SQLite takes its write lock when the first write of a transaction comes; two transactions that
both read first can then only fail. So every transaction that writes says so at its start
(``BEGIN IMMEDIATE``), waits for its turn, and is short.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.orm import Session

_BUSY_SECONDS = 30
# A host that is frozen or cut off inside a transaction would keep its locks, and with them the
# other hosts from working. Ours take milliseconds between two statements; so the server takes
# the locks of one that says nothing for so long.
_LIMIT_IDLING = text("SET LOCAL idle_in_transaction_session_timeout = '20s'")
_IDLED = "25P03"


def prepare_engine(engine: Engine) -> None:
    """Apply the SQLite rules to an engine; other databases need none."""
    if engine.dialect.name != "sqlite":
        return
    if engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        f"busy_timeout={_BUSY_SECONDS * 1000}",
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
    connection.exec_driver_sql(f"PRAGMA busy_timeout={patience * 1000:.0f}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def this_host() -> str:
    """The name of this host, as the trail says from where something was done."""
    return socket.gethostname()[:60]


class Ledger:
    """The ledger's database as the services see it.

    :ivar origin: from where this process writes, asked at every transaction; the trail keeps it
    """

    def __init__(self, engine: Engine) -> None:
        self._reading = engine
        self.origin: Callable[[], str] = this_host
        # SQLite's transactions are snapshots anyway.
        sqlite = engine.dialect.name == "sqlite"
        self._limits_idling = engine.dialect.name == "postgresql"
        level = {} if sqlite else {"isolation_level": "REPEATABLE READ"}
        self._snapshots = engine.execution_options(**level)

    def close(self) -> None:
        """Close the idle connections; the next use opens new ones."""
        self._reading.dispose()

    @contextmanager
    def write(self, *, patience: float = _BUSY_SECONDS) -> Iterator[Session]:
        """A transaction that writes: commits at the end, rolls back on any error.

        :param patience: how many seconds to wait for one's turn on SQLite; afterwards it is an
            ``OperationalError``
        """
        writing = self._reading.execution_options(ledger_patience=patience)
        try:
            with Session(writing, info={"origin": self.origin()}) as session, session.begin():
                if self._limits_idling:
                    session.execute(_LIMIT_IDLING)
                yield session
        except InternalError as error:
            if getattr(error.orig, "sqlstate", None) != _IDLED:
                raise
            # Nothing of it was kept, as when the database goes away.
            raise OperationalError(error.statement, error.params, error.orig or error) from error

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A view that is thrown away at the end; each of its statements is consistent in itself."""
        with Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A view of one moment, whatever others commit between its statements."""
        with Session(self._snapshots, expire_on_commit=False) as session:
            yield session
