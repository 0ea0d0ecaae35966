"""How the executor reaches its tables: sessions are handed in, whoever owns the database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

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
    """Two ways into the database; both are called from any thread."""

    begin: Sessions
    """A write transaction: commits at exit, rolls back on an error."""
    read: Sessions
    """A session that only reads."""
