"""A bandwidth cap: bytes a second over all downloads of a worker."""

from __future__ import annotations

from collections.abc import Callable

# So much may come at once after a rest, in seconds of the cap.
_BURST_SECONDS = 0.25


class ByteBudget:
    """Fills up with time; what is received is taken from it and may overdraw it by one piece.

    :param clock: monotonic seconds
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rate: float | None = None
        self._balance = 0.0
        self._filled_at = clock()

    @property
    def is_limited(self) -> bool:
        """Whether there is a cap; without one nothing need be asked or told."""
        return self._rate is not None

    def set_rate(self, rate: float | None) -> None:
        """Bytes a second from now on; None is no limit."""
        self._fill()
        self._rate = rate
        if rate is None:
            self._balance = 0.0

    def spend(self, count: int) -> None:
        """So many bytes were received."""
        self._fill()
        if self._rate is not None:
            self._balance -= count

    def wait_seconds(self) -> float:
        """How long nothing more may be received; 0 when something may."""
        if self._rate is None:
            return 0.0
        self._fill()
        return max(0.0, -self._balance / self._rate)

    def _fill(self) -> None:
        now = self._clock()
        if self._rate is not None:
            most = self._rate * _BURST_SECONDS
            self._balance = min(most, self._balance + (now - self._filled_at) * self._rate)
        self._filled_at = now
