"""A look that never takes longer than it may: whatever is behind it may hang."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from portal.errors import SyncError
from portal.services.readiness.checks import Check, failed

logger = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 3.0
"""How long a caller waits at most."""
# A look that has hung for so long is given up, and another one begun beside it…
_ABANDONED_SECONDS = 10.0
# …unless so many hang already: a mount that never answers must not eat our threads.
_MOST_HANGING = 3


class Family:
    """Checks that are made together, in a thread of their own.

    :param names: of the checks it returns
    :param look: makes them; may hang, and may raise
    :param fresh_seconds: for how long an answer is good
    :param clock: seconds that only grow
    """

    def __init__(
        self,
        names: Sequence[str],
        look: Callable[[], Sequence[Check]],
        *,
        fresh_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = names
        self._look = look
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._flights: list[_Flight] = []
        self._answer: Sequence[Check] = ()
        self._answered_at: float | None = None

    def begin(self) -> _Flight | None:
        """Begin a look, or join one; None when the last answer is still good."""
        with self._lock:
            now = self._clock()
            if self._answered_at is not None and now - self._answered_at < self._fresh_seconds:
                return None
            self._flights = [one for one in self._flights if not one.landed.is_set()]
            newest = self._flights[-1] if self._flights else None
            hangs = newest is not None and now - newest.began >= _ABANDONED_SECONDS
            if newest is None or (hangs and len(self._flights) < _MOST_HANGING):
                newest = _Flight(now)
                self._flights.append(newest)
                name = f"ready {self._names[0]}"
                threading.Thread(target=self._fly, args=(newest,), name=name, daemon=True).start()
            return newest

    def end(self, flight: _Flight | None, patience: float) -> Sequence[Check]:
        """What came of it, waiting as long as the look may take in all."""
        if flight is None:
            return self._answer
        flight.landed.wait(max(0.0, flight.began + patience - self._clock()))
        if flight.landed.is_set():
            return flight.found
        return [failed(name, SyncError("CHECK_TIMEOUT")) for name in self._names]

    def _fly(self, flight: _Flight) -> None:
        try:
            flight.found = self._look()
        except Exception as error:
            logger.exception("the check of %s failed", self._names[0])
            internal = SyncError("INTERNAL", detail=type(error).__name__)
            flight.found = [failed(name, internal) for name in self._names]
        with self._lock:
            self._answer, self._answered_at = flight.found, self._clock()
        flight.landed.set()


class _Flight:
    """One look on its way."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.found: Sequence[Check] = ()
        self.landed = threading.Event()


class Readiness:
    """All families together; any number of threads may ask."""

    def __init__(self, families: Iterable[Family], *, patience: float = PATIENCE_SECONDS) -> None:
        self._families = tuple(families)
        self._patience = patience

    def look(self) -> Sequence[Check]:
        """Every check's newest answer, within the patience whatever hangs."""
        begun = [(family, family.begin()) for family in self._families]
        return [check for family, flight in begun for check in family.end(flight, self._patience)]
