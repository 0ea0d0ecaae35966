"""What every page of one batch shows of it: its state, why it waits, and how fast it moves."""

from __future__ import annotations

from typing import Any

from portal.models import Batch, utc_now
from portal.runtime import current_portal
from portal.services.standing import standing
from portal.services.throughput import pace_of, seconds_left
from portal.views.sparkline import sparkline


def live_context(batch: Batch, tab: str) -> dict[str, Any]:
    """The live region's values, for page and poll; the batch comes from ``browsing.batch_page``,
    so that nothing more is asked of the ledger."""
    now = utc_now()
    zone = current_portal().settings.timezone
    held = standing(batch, now=now, zone=zone)
    pace = pace_of(batch, now=now)
    return {
        "batch": batch,
        "tab": tab,
        "standing": held,
        "pace": pace,
        "seconds_left": seconds_left(batch, pace, held),
        "charts": {
            name: sparkline(pace.stretches, name, minutes=pace.minutes)
            for name in ("documents", "bytes")
        },
    }
