"""The agent's part in the 操作日志: sealing in time, keeping anchors, offering verifications."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from portal.ledger import Ledger
from portal.seal_key import SealKey
from portal.services import audit_checks
from portal.services.anchor_file import append_anchor
from portal.services.seal_form import Anchor
from portal.services.sealing import MOST_EVENTS, newest_anchor, seal_step
from portal.tasks.queue import WorkQueue

# Events may be unsealed for ten seconds; a look of the agent may come a second late.
SEAL_EVERY_SECONDS = 5.0
ANCHOR_EVERY_SECONDS = 60.0
# So many in a row at most: the agent has other things to do, and comes back in a second.
_STEPS_AT_ONCE = 4


class AuditKeeping:
    """One agent's; several are safe. Goes by a clock that nobody can set.

    :param clock: seconds that only grow
    """

    def __init__(
        self,
        ledger: Ledger,
        queue: WorkQueue,
        key: SealKey,
        *,
        home: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._key = key
        self._home = home
        self._clock = clock
        self._seal_at = clock()
        self._anchor_at = clock()
        self._kept: Anchor | None = None

    def step(self, now: datetime) -> None:
        """What is due of it at this moment."""
        if self._clock() >= self._seal_at:
            self._seal(now)
        if self._clock() >= self._anchor_at:
            self._keep_anchor(now)
        self._offer_check(now)

    def close(self, now: datetime) -> None:
        """Seal what there is and keep its anchor, before the agent goes."""
        self._seal(now)
        self._keep_anchor(now)

    def _keep_anchor(self, now: datetime) -> None:
        """Add the newest anchor to the file in the home, when it is a new one."""
        with self._ledger.read() as session:
            anchor = newest_anchor(session)
        if anchor is not None and anchor != self._kept:
            append_anchor(self._home, anchor, now=now)
            self._kept = anchor
            self._anchor_at = self._clock() + ANCHOR_EVERY_SECONDS

    def _seal(self, now: datetime) -> None:
        for _ in range(_STEPS_AT_ONCE):
            if seal_step(self._ledger, self._key, now=now) < MOST_EVENTS:
                self._seal_at = self._clock() + SEAL_EVERY_SECONDS
                return

    def _offer_check(self, now: datetime) -> None:
        with self._ledger.read() as session:
            check_id = audit_checks.due(session, now=now)
        if check_id is None:
            return
        told = self._queue.audits_told()
        if told is not None and check_id not in told:
            self._queue.look_at_audit(check_id)
