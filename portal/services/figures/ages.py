"""How old something is."""

from __future__ import annotations

from datetime import datetime


def age(since: datetime, now: datetime) -> float:
    """Seconds; none of what the clock has not reached, having been put back."""
    return max(0.0, (now - since).total_seconds())
