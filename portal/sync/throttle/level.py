"""The level of a source: requests a second and requests at once, found by what it answers.

Additive increase, multiplicative decrease, with a memory: after a 429 the rate falls a little
below what the source let through, stays there for a while, and is then raised carefully. Where the
limit is found to be where it was, the next probing waits longer, so that a source which limits us
sees fewer than one refused request in a hundred. Pure: the ledger keeps it, all workers share it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

FIRST_WINDOW = 32
LARGEST_WINDOW = 64
SMALLEST_WINDOW = 2
SMALLEST_RATE = 0.2
_UNTRIED_PLATEAU, _FIRST_PLATEAU, _LONGEST_PLATEAU = 3.0, 20.0, 40.0
# How much the rate is raised, second by second, while the source does not mind.
_RAISES = (1.05, 1.05, 1.08, 1.1, 1.15, 1.2, 1.3, 1.5)
_BELOW = 0.9
_WAVE_SECONDS = 1.0
# After a refusal nothing is asked for so long: the source's allowance is used up.
_REST_SECONDS = 1.0
_UNTRIED_RATE = 2.0
_SEEN_SECONDS = 1.5
# A rate of which less than this share is used limits nothing.
_UNUSED = 0.5
_FEWEST_FAILURES, _FAILING_SHARE = 3, 0.1
_SLOWER, _SLOWER_SECONDS = 4.0, 0.5
# Clocks of several hosts differ a little.
_SKEW = 60.0
# No honest clock moves these further ahead than that.
_FARTHEST = 4000.0


class Reason(StrEnum):
    """Why a level is lower than it could be."""

    THROTTLED = "throttled"
    ERRORS = "errors"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker saw of the source since its last report.

    :param seconds: how long that was
    :param answered: requests that were served
    :param throttled: requests that were refused with 429
    :param retry_after: the longest wait asked for by those, in seconds
    :param failed: requests that ended in 5xx, a timeout or without an answer
    :param first_byte: median seconds until an answer began, when there was any
    :param wanted_rate: whether the rate kept a request waiting
    :param wanted_window: whether the number at once did
    """

    seconds: float = 0.0
    answered: int = 0
    throttled: int = 0
    retry_after: float = 0.0
    failed: int = 0
    first_byte: float | None = None
    wanted_rate: bool = False
    wanted_window: bool = False


@dataclass(frozen=True, slots=True)
class Caps:
    """What a person allows at most: requests at once, requests a second; None is no limit."""

    window: int | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """Instants are epoch seconds.

    :param rate: requests a second; None while the source never limited them
    :param window: requests at once
    :param since: when ``reason`` began
    :param raise_at: not before that the rate is raised
    :param plateau: seconds it stays after the next decrease
    :param settled: the rate from which it is being raised
    :param raises: how often it was raised since
    :param lowered_at: when the rate was lowered; ``raised_at``, ``window_changed_at`` likewise
    :param paused_until: the source asked to be left alone until then
    :param quickest: the shortest time to the first byte seen
    :param recent: reports of the last seconds as (instant, seconds, answered)
    """

    rate: float | None = None
    window: int = FIRST_WINDOW
    reason: Reason | None = None
    since: float | None = None
    raise_at: float = 0.0
    plateau: float = _FIRST_PLATEAU
    settled: float | None = None
    raises: int = 0
    lowered_at: float = 0.0
    raised_at: float = 0.0
    window_changed_at: float = 0.0
    paused_until: float = 0.0
    quickest: float | None = None
    recent: tuple[tuple[float, float, int], ...] = ()

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Back from :meth:`as_json`."""
        fields = dict(value)
        fields["recent"] = tuple((at, seconds, n) for at, seconds, n in fields["recent"])
        fields["reason"] = fields["reason"] and Reason(fields["reason"])
        return cls(**fields)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the ledger."""
        return asdict(self)

    def capped(self, caps: Caps) -> Level:
        """The level as it may be used."""
        rates = [rate for rate in (self.rate, caps.rate) if rate is not None]
        return replace(
            self,
            rate=min(rates, default=None),
            window=self.window if caps.window is None else min(self.window, caps.window),
        )


def adjusted(level: Level, report: Report, now: float) -> Level:
    """The level after a worker's report."""
    level = _at(level, now)
    seen = [entry for entry in level.recent if entry[0] > now - _SEEN_SECONDS]
    level = replace(level, recent=(*seen, (now, report.seconds, report.answered)))
    if report.throttled:
        level = _lowered(level, report, now)
    elif level.rate is not None and now >= max(level.raise_at, level.paused_until):
        level = _raised(level, level.rate, report, now)
    return _windowed(level, report, now)


def _at(level: Level, now: float) -> Level:
    """The level without instants that only a clock that was set back can have left."""
    changed = max(level.lowered_at, level.raised_at, level.window_changed_at)
    if changed <= now + _SKEW and max(level.raise_at, level.paused_until) <= now + _FARTHEST:
        return level
    return replace(
        level,
        raise_at=now,
        lowered_at=now,
        raised_at=now,
        window_changed_at=now,
        paused_until=0.0,
        recent=(),
    )


def _lowered(level: Level, report: Report, now: float) -> Level:
    rest = max(report.retry_after, _REST_SECONDS)
    level = replace(level, paused_until=max(level.paused_until, now + rest))
    if level.rate is not None and now - level.lowered_at < _WAVE_SECONDS:
        return level  # refusals of requests that were under way when it was lowered
    accepted = _accepted(level, now)
    plateau = _FIRST_PLATEAU
    if level.rate is None:
        rate = max(_BELOW * accepted, _UNTRIED_RATE)
        plateau = _UNTRIED_PLATEAU
    elif level.settled is not None and level.raises and level.rate <= 2.2 * level.settled:
        rate = level.settled  # raising it found the limit where it was
        plateau = min(2 * level.plateau, _LONGEST_PLATEAU)
    else:
        rate = min(0.93 * level.rate, max(_BELOW * accepted, 0.5 * level.rate))
    return replace(
        level,
        rate=max(rate, SMALLEST_RATE),
        reason=Reason.THROTTLED,
        since=now if level.reason is not Reason.THROTTLED else level.since,
        settled=None,
        raises=0,
        plateau=plateau,
        raise_at=max(now, level.paused_until) + plateau,
        lowered_at=now,
    )


def _accepted(level: Level, now: float) -> float:
    """Requests a second that the source served lately."""
    first = min(at - seconds for at, seconds, _ in level.recent)
    return sum(count for _, _, count in level.recent) / max(now - first, 1.0)


def _raised(level: Level, rate: float, report: Report, now: float) -> Level:
    """A higher rate, where the rate is what limits; none at all, where it long does no more."""
    if now - level.raised_at < _WAVE_SECONDS:
        return level
    if not report.wanted_rate:
        unused = report.wanted_window and _accepted(level, now) < _UNUSED * rate
        return _unlimited(level) if unused else level
    factor = _RAISES[min(level.raises, len(_RAISES) - 1)]
    return replace(
        level,
        rate=rate * factor,
        settled=level.settled or rate,
        raises=level.raises + 1,
        raised_at=now,
    )


def _unlimited(level: Level) -> Level:
    throttled = level.reason is Reason.THROTTLED
    return replace(
        level,
        rate=None,
        settled=None,
        raises=0,
        reason=None if throttled else level.reason,
        since=None if throttled else level.since,
    )


def _windowed(level: Level, report: Report, now: float) -> Level:
    """The window after the report: smaller on failures and slowness, larger when all is used."""
    quickest, first_byte = level.quickest, report.first_byte
    if first_byte is not None:
        quickest = first_byte if quickest is None else min(quickest * 1.01, first_byte)
        level = replace(level, quickest=quickest)
    if now - level.window_changed_at < _WAVE_SECONDS:
        return level
    tried = report.answered + report.failed
    if report.failed >= _FEWEST_FAILURES and report.failed >= _FAILING_SHARE * tried:
        return _narrowed(level, 0.7, Reason.ERRORS, now)
    if quickest is not None and first_byte is not None:
        slow = max(_SLOWER * quickest, quickest + _SLOWER_SECONDS)
        if first_byte > slow and level.window > 2 * SMALLEST_WINDOW:
            return _narrowed(level, 0.85, Reason.SLOW, now)
    if report.wanted_window and report.answered:
        wider = min(level.window + 2, LARGEST_WINDOW)
        healed = level.reason in (Reason.ERRORS, Reason.SLOW) and wider >= FIRST_WINDOW
        return replace(
            level,
            window=wider,
            window_changed_at=now,
            reason=None if healed else level.reason,
            since=None if healed else level.since,
        )
    return level


def _narrowed(level: Level, factor: float, reason: Reason, now: float) -> Level:
    kept = level.reason is reason or level.reason is Reason.THROTTLED
    return replace(
        level,
        window=max(SMALLEST_WINDOW, int(level.window * factor)),
        window_changed_at=now,
        reason=level.reason if kept else reason,
        since=level.since if kept else now,
    )


@dataclass(frozen=True, slots=True)
class Share:
    """One worker's part of a level.

    :param window: requests at once; none at all when others have the whole cap
    :param rate: requests a second
    :param pause: seconds from now during which nothing may be asked
    :param bandwidth: bytes a second
    """

    window: int
    rate: float | None = None
    pause: float = 0.0
    bandwidth: float | None = None


def shared(level: Level, *, place: int, users: int, bandwidth: float | None, pause: float) -> Share:
    """The part of the user at ``place`` (from 0) of so many."""
    window = level.window // users + (place < level.window % users)
    return Share(
        window=window,
        rate=None if level.rate is None else level.rate / users,
        pause=pause,
        bandwidth=None if bandwidth is None else bandwidth / users,
    )
