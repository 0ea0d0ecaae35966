"""The checks of an installation, put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from portal.ledger import Ledger
from portal.services.readiness import ledger as ledger_family
from portal.services.readiness import room, stores
from portal.services.readiness.watching import Family, Readiness
from portal.sync.archive.base import Archive

_MOMENT_SECONDS = 2.0
# A file is written and flushed for it.
_ARCHIVE_SECONDS = 15.0


def readiness_of(
    ledger: Ledger, archive: Archive, *, probe_queue: Callable[[], None], home: Path
) -> Readiness:
    """What ``/readyz`` asks; nothing is opened or begun before it is asked.

    :param probe_queue: writes to the queue and takes it back, and raises when it cannot
    """
    return Readiness(
        (
            Family(
                ledger_family.NAMES,
                ledger_family.LedgerChecks(ledger),
                fresh_seconds=_MOMENT_SECONDS,
            ),
            Family(
                stores.QUEUE,
                partial(stores.queue_checks, probe_queue),
                fresh_seconds=_MOMENT_SECONDS,
            ),
            Family(
                stores.ARCHIVE,
                partial(stores.archive_checks, archive),
                fresh_seconds=_ARCHIVE_SECONDS,
            ),
            Family(
                room.NAMES,
                partial(room.room_checks, home, archive),
                fresh_seconds=_MOMENT_SECONDS,
            ),
        )
    )
