"""A source that limits its callers, and workers that share a level, in a time of their own."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, replace

from portal.errors import SyncError
from portal.sync.throttle.level import Caps, Level, Share, adjusted, shared
from portal.sync.throttle.pace import Pace

STEP = 0.01
START = 1_000_000.0


@dataclass
class Source:
    """Lets ``rate`` requests a second through, a second's worth in one burst; the rest gets 429."""

    rate: float
    retry_after: float | None = None
    latency: float = 0.04
    allowance: float = 1.0e9
    refilled_at: float = START

    def answer(self, now: float) -> SyncError | None:
        gained = (now - self.refilled_at) * self.rate
        self.allowance = min(max(1.0, self.rate), self.allowance + gained)
        self.refilled_at = now
        if self.allowance < 1.0:
            return SyncError("SRC_THROTTLED", retry_after=self.retry_after)
        self.allowance -= 1.0
        return None


class Workers:
    """So many workers that always have something to ask, and the ledger's level between them."""

    def __init__(self, source: Source, *, workers: int = 2, caps: Caps | None = None) -> None:
        self.now = START
        self.source = source
        self.caps = caps or Caps()
        self.level = Level()
        self.paces = [Pace(lambda: self.now) for _ in range(workers)]
        self.in_flight = [0] * workers
        self.served: list[float] = []
        self.refused: list[float] = []
        self._landing: list[tuple[float, int, int, SyncError | None]] = []
        self._numbers = itertools.count()
        for place, pace in enumerate(self.paces):
            pace.apply(self.share(place))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            while self._landing and self._landing[0][0] <= self.now:
                at, _, place, error = heapq.heappop(self._landing)
                self.in_flight[place] -= 1
                self.paces[place].ended(error, self.source.latency)
                (self.refused if error else self.served).append(at)
            for place, pace in enumerate(self.paces):
                if pace.is_report_due:
                    self.level = adjusted(self.level, pace.report(), self.now)
                    pace.apply(self.share(place))
                while pace.may_start(self.in_flight[place]):
                    pace.started()
                    self.in_flight[place] += 1
                    error = self.source.answer(self.now)
                    landing = (self.now + self.source.latency, next(self._numbers), place, error)
                    heapq.heappush(self._landing, landing)

    def between(self, first: float, last: float) -> tuple[float, float]:
        """Requests served a second, and the share of refused ones."""
        served = sum(first <= at < last for at in self.served)
        refused = sum(first <= at < last for at in self.refused)
        return served / (last - first), refused / max(served + refused, 1)

    def share(self, place: int) -> Share:
        return shared(
            self.level.capped(self.caps),
            place=place,
            users=len(self.paces),
            bandwidth=None,
            pause=max(0.0, self.level.paused_until - self.now),
        )


def allow(workers: Workers, rate: float) -> None:
    workers.source = replace(workers.source, rate=rate)
