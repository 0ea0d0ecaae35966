"""The pace of the listing: its calls count against the same level as the downloads."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.services import levels
from portal.sync.throttle.pace import Pace

# A source that wants to be left alone for longer gets its worker back another time.
_LONGEST_WAIT = 5.0
_LOOK_SECONDS = 0.05


class ListingPace:
    """Waits before every call of one worker's listing of a source.

    :param stopping: asked while waiting
    :param clock: the present, for the ledger; waiting itself is by the monotonic clock
    """

    def __init__(
        self,
        ledger: Ledger,
        source_id: int,
        *,
        owner: str,
        stopping: Callable[[], bool],
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._source_id = source_id
        self._owner = owner
        self._stopping = stopping
        self._clock = clock
        self._pace = Pace(time.monotonic)
        self._exchange()

    def wait(self) -> bool:
        """Wait for the turn of the next call; False when it is not to be made now."""
        if self._pace.is_report_due:
            self._exchange()
        if not self._pace.window:
            return False
        while (wait := self._pace.next_start - time.monotonic()) > 0:
            if wait > _LONGEST_WAIT or self._stopping():
                return False
            time.sleep(min(wait, _LOOK_SECONDS))
        self._pace.started()
        return True

    def ended(self, error: SyncError | None) -> None:
        """How the call ended; a refusal is told to the other workers at once."""
        self._pace.ended(error)
        if error is not None:
            self._exchange()

    def _exchange(self) -> None:
        report = self._pace.report()
        share = self._ledger.transact(
            lambda session: levels.exchange(
                session, self._source_id, report, by=self._owner, now=self._clock()
            )
        )
        self._pace.apply(share)
