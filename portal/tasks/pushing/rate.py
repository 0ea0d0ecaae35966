"""How many calls a second one process makes at a target."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Rate:
    """Spreads calls evenly over the second; any number of threads may wait.

    :param per_second: None for as fast as it goes
    :param clock: monotonic seconds
    :param sleep: waits that many seconds
    """

    def __init__(
        self,
        per_second: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._gap = 0.0 if per_second is None else 1.0 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Return when the next call may be sent."""
        if not self._gap:
            return
        with self._lock:
            now = self._clock()
            start = max(self._next, now)
            self._next = start + self._gap
        if start > now:
            self._sleep(start - now)
