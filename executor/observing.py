"""Telling the program of a run's acceptance and end, in the transaction that writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

from sqlalchemy.orm import Session

from .ledger import Sessions
from .models import RunInfo

Moment = Literal["accepted", "ended"]
Observer = Callable[[Session, RunInfo, Moment], None]

_KEY: Final = "executor_observers"


def observed(begin: Sessions, observers: Sequence[Observer]) -> Sessions:
    """The same transactions, which know whom to tell."""

    @contextmanager
    def begin_observed() -> Iterator[Session]:
        with begin() as session:
            session.info[_KEY] = observers
            yield session

    return begin_observed


def is_observed(session: Session) -> bool:
    """Whether there is anybody to tell."""
    return bool(session.info.get(_KEY))


def tell(session: Session, run: RunInfo, moment: Moment) -> None:
    """Call the observers; what they write is kept or lost with the run's change."""
    observers: Sequence[Observer] = session.info.get(_KEY, ())
    for observer in observers:
        observer(session, run, moment)
