"""How the executor reaches its tables: sessions are handed in, whoever owns the database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy.orm import Session

Sessions = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True)
class Ledger:
    """Two ways into the database; both are called from any thread."""

    begin: Sessions
    """A write transaction: commits at exit, rolls back on an error."""
    read: Sessions
    """A session that only reads."""
