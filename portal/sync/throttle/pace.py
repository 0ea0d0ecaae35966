"""The pace of one worker at one source: when the next request may start, and what was seen."""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median

from portal.errors import SyncError
from portal.sync.throttle.level import Report, Share

REPORT_SECONDS = 1.0
# Where the rate is limited all workers must soon know what one of them was told.
_LIMITED_SECONDS = 0.4
# What is seen at once is told at once, yet not more often than this.
_SOONEST_SECONDS = 0.2
# A late start may be made up for by so much, or timers would cost throughput.
_LATENESS_SECONDS = 0.05
_MOST_TIMES = 200
# While the source wants to be left alone there is little to tell.
_LONG_PAUSE = 5.0
_chance = random.SystemRandom()
_FAILURES = frozenset({"SRC_SERVER_ERROR", "SRC_TIMEOUT", "SRC_CONNECTION"})


class Pace:
    """Spreads the starts of requests evenly, as the worker's share of the level says.

    :param clock: monotonic seconds
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._share = Share(window=1)
        self._next_at: float | None = None
        self._paused_until = 0.0
        self._begin()

    def _begin(self) -> None:
        self._reported_at = self._clock()
        self._answered = self._throttled = self._failed = 0
        self._retry_after = 0.0
        self._first_bytes: list[float] = []
        self._wanted_rate = self._wanted_window = False

    def apply(self, share: Share) -> None:
        """Go on at this share."""
        now = self._clock()
        self._share = share
        self._paused_until = now + share.pause
        if share.rate is not None:
            # The first start is anywhere in the interval: who comes and goes gets no free one.
            first = now + _chance.random() / share.rate
            self._next_at = min(
                first if self._next_at is None else self._next_at, now + 1.0 / share.rate
            )

    @property
    def window(self) -> int:
        """Requests at once, of the share."""
        return self._share.window

    @property
    def report_at(self) -> float:
        """When it is time to report; soon after a refusal."""
        patience = REPORT_SECONDS if self._share.rate is None else _LIMITED_SECONDS
        if self._paused_until > self._reported_at + _LONG_PAUSE:
            patience = _LONG_PAUSE
        if self._throttled:
            patience = _SOONEST_SECONDS
        return self._reported_at + patience

    @property
    def is_report_due(self) -> bool:
        """Whether it is time to report."""
        return self._clock() >= self.report_at

    def may_start(self, in_flight: int) -> bool:
        """Whether another request may start now."""
        if in_flight >= self._share.window:
            self._wanted_window = True
            return False
        if self._clock() < self.next_start:
            self._wanted_rate = True
            return False
        return True

    @property
    def next_start(self) -> float:
        """When the next request may start, if the window has room."""
        return max(self._next_at or 0.0, self._paused_until)

    def started(self) -> None:
        """A request was sent."""
        if self._share.rate is not None:
            earliest = self._clock() - _LATENESS_SECONDS
            self._next_at = max(self._next_at or 0.0, earliest) + 1.0 / self._share.rate

    def ended(self, error: SyncError | None, first_byte: float | None = None) -> None:
        """How a request ended; ``first_byte`` is seconds until the answer began."""
        if error is None or error.code not in _FAILURES | {"SRC_THROTTLED"}:
            self._answered += 1
            if first_byte is not None and len(self._first_bytes) < _MOST_TIMES:
                self._first_bytes.append(first_byte)
        elif error.code == "SRC_THROTTLED":
            self._throttled += 1
            self._retry_after = max(self._retry_after, error.retry_after or 0.0)
            # Nothing more is asked before all workers know.
            self._paused_until = max(self._paused_until, self._clock() + _SOONEST_SECONDS)
        else:
            self._failed += 1

    def report(self) -> Report:
        """What was seen since the last report; the next one begins."""
        report = Report(
            seconds=self._clock() - self._reported_at,
            answered=self._answered,
            throttled=self._throttled,
            retry_after=self._retry_after,
            failed=self._failed,
            first_byte=median(self._first_bytes) if self._first_bytes else None,
            wanted_rate=self._wanted_rate,
            wanted_window=self._wanted_window,
        )
        self._begin()
        return report
