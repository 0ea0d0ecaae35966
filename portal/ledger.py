"""The ledger's database as the services use it: short transactions, done again when that helps.

SQLite takes its write lock when the first write of a transaction comes; two transactions that
both read first can then only fail. So every transaction that writes says so at its start
(``BEGIN IMMEDIATE``), waits for its turn, and is short. On the other databases two transactions
may block each other and one of them is undone, and a connection may be lost: such a transaction
is begun anew (:meth:`Ledger.transact`, :meth:`Ledger.again`).
"""

from __future__ import annotations

import logging
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.orm import Session

from portal import ledger_commits
from portal.ledger_connections import BUSY_SECONDS, prepare_engine
from portal.ledger_failures import passes

__all__ = ["Ledger", "prepare_engine", "this_host"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
# A host that is frozen or cut off inside a transaction would keep its locks, and with them the
# other hosts from working. Ours take milliseconds between two statements; so the server takes
# the locks of one that says nothing for so long.
_LIMIT_IDLING = text("SET LOCAL idle_in_transaction_session_timeout = '20s'")
_IDLED = "25P03"
# Seconds before each further try. The first are for who was in each other's way, the last for a
# server that is started anew.
_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0, 2.0)
_chance = random.SystemRandom()
# Transactions that this thread or request has committed so far.
_commits: ContextVar[int] = ContextVar("ledger_commits", default=0)


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
        self._is_served = engine.dialect.name != "sqlite"
        level = {"isolation_level": "REPEATABLE READ"} if self._is_served else {}
        self._limits_idling = engine.dialect.name == "postgresql"
        self._snapshots = engine.execution_options(**level)
        if self._is_served:
            ledger_commits.watch_changes(engine)

    @property
    def url(self) -> URL:
        """Where the database is, its password included: for opening it another way."""
        return self._reading.url

    def close(self) -> None:
        """Close the idle connections; the next use opens new ones."""
        self._reading.dispose()

    @contextmanager
    def write(self, *, patience: float = BUSY_SECONDS) -> Iterator[Session]:
        """A transaction that writes: commits at the end, rolls back on any error.

        :param patience: how many seconds to wait for one's turn on SQLite; afterwards it is an
            ``OperationalError``
        """
        writing = self._reading.execution_options(ledger_patience=patience)
        token: str | None = None
        try:
            with Session(writing, info={"origin": self.origin()}) as session, session.begin():
                if self._limits_idling:
                    session.execute(_LIMIT_IDLING)
                if self._is_served:
                    ledger_commits.begin_watching(session)
                yield session
                if self._is_served:
                    token = ledger_commits.leave_token(session)
        except InternalError as error:
            if getattr(error.orig, "sqlstate", None) != _IDLED:
                raise
            # Nothing of it was kept, as when the database goes away.
            raise OperationalError(error.statement, error.params, error.orig or error) from error
        except DBAPIError as error:
            if token is None or not ledger_commits.got_through(self._reading, token, error):
                raise
        if token is not None or not self._is_served:
            _commits.set(_commits.get() + 1)

    def transact(self, work: Callable[[Session], T], *, patience: float = BUSY_SECONDS) -> T:
        """What ``work`` gives, done in one transaction that writes, begun anew as often as helps.

        ``work`` may be called several times, and only the last call counts: it does nothing but
        read and write through its session.

        :raises DBAPIError: when nothing was written
        :raises CommitUnknown: when nobody can tell, see :mod:`portal.ledger_failures`
        """

        def once() -> T:
            with self.write(patience=patience) as session:
                return work(session)

        return self.again(once)

    def again(self, work: Callable[[], T]) -> T:
        """Call ``work``, and again while it fails for what passes before it committed anything.

        So nothing is ever done twice. Meant for what is not one transaction only: a request, a
        step of a process.
        """
        for pause in (*_PAUSES, None):
            before = _commits.get()
            try:
                return work()
            except DBAPIError as error:
                if pause is None or not passes(error) or _commits.get() != before:
                    raise
                logger.info("a transaction is begun anew: %s", type(error.orig).__name__)
                time.sleep(pause * (0.5 + _chance.random()))
        raise AssertionError  # pragma: no cover - the last try returns or raises

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
