"""How the executor reaches its tables: sessions are handed in, whoever owns the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

Sessions = Callable[[], AbstractContextManager[Session]]


T = TypeVar("T")


class Again(Protocol):
    """Calls the work, and again when what it wrote was undone for a cause of the moment."""

    def __call__(self, work: Callable[[], T], /) -> T:
        """What the work gives."""


def once(work: Callable[[], T], /) -> T:
    """Calls the work once, whatever happens."""
    return work()


@dataclass(frozen=True)
class Ledger:
    """The ways into the database; all are called from any thread."""

    begin: Sessions
    """A write transaction: commits at exit, rolls back on an error."""
    read: Sessions
    """A session that only reads."""
    again: Again = once

    def transact(self, work: Callable[[Session], T]) -> T:
        """What ``work`` gives, in a write transaction that is begun anew when it was undone.

        ``work`` may be called several times and only the last call counts, so it does nothing
        but read and write through its session.
        """

        def attempt() -> T:
            with self.begin() as session:
                return work(session)

        return self.again(attempt)


@contextmanager
def savepoint(session: Session) -> Iterator[None]:
    """What fails inside, also what is only then written, is undone alone, and raised.

    MariaDB undoes the whole transaction for a deadlock, savepoints too: what is raised is then
    the deadlock, and not that there is no savepoint to go back to.
    """
    point = session.begin_nested()
    try:
        yield
        session.flush()
    except BaseException as error:
        try:
            point.rollback()
        except DBAPIError:
            raise error from None
        raise
    point.commit()
