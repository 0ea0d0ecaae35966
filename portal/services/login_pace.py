"""How often a login may be tried: the rule, without clock or ledger.

Failures are counted for a name, for an address, and for that name from that address. Each of the
three is free for a while; then the wait doubles up to a ceiling and never beyond.

What an address brought upon itself it waits out, whatever name it tries next. What others have
brought upon a name does not shut anybody out: an address that comes with the name for the first
time waits once, counted from its own coming and at most the ceiling, and then has its try,
however hard others try meanwhile. So nobody can be locked out from another address, and nobody
guesses faster than once a ceiling for each address.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

CEILING = timedelta(seconds=30)
#: Failures before the first wait: of a name from an address, of a name, of an address.
FREE_HERE, FREE_NAME, FREE_ADDRESS = 5, 10, 20
#: Behind so long without another failure nothing is counted any more.
FORGOTTEN = timedelta(minutes=15)
_NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Count:
    """Failures so far, until when the next try has to wait, and when the count last changed."""

    failures: int
    until: datetime
    changed_at: datetime

    def waits(self, now: datetime) -> timedelta:
        """How long still; one beyond the ceiling is of before the clock was put back."""
        left = self.until - now
        return left if _NONE < left <= CEILING else _NONE


@dataclass(frozen=True, slots=True)
class Standing:
    """The three counts that a try is about; None where nothing is counted."""

    here: Count | None = None
    name: Count | None = None
    address: Count | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a try: the wait it is refused with, none when it may be made.

    ``then`` is how things stand afterwards. A try that may be made stands as a failure in it, so
    that those that come at the same moment count; a success takes its own back.
    """

    wait: timedelta
    then: Standing


def delay(failures: int, free: int) -> timedelta:
    """The wait behind so many failures."""
    over = failures - free
    return _NONE if over < 0 else min(timedelta(seconds=2 ** min(over, 10)), CEILING)


def decide(standing: Standing, now: datetime) -> Decision:
    """Whether a try may be made now."""
    here, name, address = (_fresh(one, now) for one in _parts(standing))
    pressure = delay(name.failures, FREE_NAME) if name else _NONE
    held = max(one.waits(now) if one else _NONE for one in (here, address))
    if here is not None and here.failures:
        # Also one whose last try was before others brought the name so far.
        since = replace(here, until=here.changed_at + pressure)
        held = max(held, since.waits(now))
    if held:
        return Decision(held, standing)
    if here is None and pressure:
        first = Count(0, now + pressure, now)
        return Decision(pressure, replace(standing, here=first))
    counted = [(one.failures if one else 0) + 1 for one in (here, name, address)]
    own = max(delay(counted[0], FREE_HERE), delay(counted[1], FREE_NAME))
    return Decision(
        _NONE,
        Standing(
            Count(counted[0], now + own, now),
            Count(counted[1], now, now),
            Count(counted[2], now + delay(counted[2], FREE_ADDRESS), now),
        ),
    )


def _parts(standing: Standing) -> tuple[Count | None, Count | None, Count | None]:
    return standing.here, standing.name, standing.address


def _fresh(count: Count | None, now: datetime) -> Count | None:
    """None of one that is forgotten, or was made before the clock was put back by as much."""
    if count is None or abs(now - count.changed_at) > FORGOTTEN:
        return None
    return count
