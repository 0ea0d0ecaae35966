"""When a transient failure is tried again (the delay is kept in the ledger, nobody sleeps)."""

from __future__ import annotations

import random
from datetime import timedelta

from portal.errors import SyncError

MAX_ATTEMPTS = 5
_FIRST_SECONDS = 2.0
_LONGEST_SECONDS = 300.0


def delay_before(attempt: int, error: SyncError, chance: random.Random) -> timedelta:
    """Back-off after the failed try number ``attempt`` (from 1), with jitter.

    Doubles from 2 s up to 5 minutes, half of it random; never less than the source's Retry-After.
    """
    ceiling = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** (attempt - 1))
    seconds = ceiling * (0.5 + 0.5 * chance.random())
    return timedelta(seconds=max(seconds, error.retry_after or 0.0))


def is_final(attempt: int, error: SyncError) -> bool:
    """Whether the failed try number ``attempt`` was the last one."""
    return error.permanent or attempt >= MAX_ATTEMPTS
