"""What is to be done once for all hosts, one agent does: the one that has the duty.

Nothing breaks when two do it for a moment (one was frozen, clocks differ): every step of it is
safe to do twice. But a job's log would say everything twice, and the work would be done twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import Duty

logger = logging.getLogger(__name__)

#: Behind it an agent that says nothing more has lost the duty.
LEASE = timedelta(seconds=15)
_RENEW_SECONDS, _LOOK_SECONDS = 5.0, 0.9


class DutyHolder:
    """One agent's hold on a duty.

    :param holder: the agent's name, which it has again when it is started anew
    :param clock: seconds that only grow
    """

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        holder: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._holder = holder
        self._clock = clock
        self._is_ours = False
        self._look_again_at = float("-inf")

    def has(self, now: datetime) -> bool:
        """Whether the duty is this agent's now; takes it when nobody has it.

        Who has it writes every few seconds; the others only look.
        """
        began = self._clock()
        if began < self._look_again_at:
            return self._is_ours
        was_ours = self._is_ours
        self._is_ours = False
        self._is_ours = self._is_to_be_had(now) and self._take(now)
        self._look_again_at = began + (_RENEW_SECONDS if self._is_ours else _LOOK_SECONDS)
        if self._is_ours is not was_ours:
            words = "does" if self._is_ours else "no longer does"
            logger.info("%s %s for all hosts: %s", self._holder, words, self._name)
        return self._is_ours

    def leave(self) -> None:
        """Let another agent have it at once."""
        mine = (Duty.name == self._name, Duty.holder == self._holder)
        with self._ledger.write() as session:
            session.execute(delete(Duty).where(*mine))
        self._is_ours = False

    def _is_to_be_had(self, now: datetime) -> bool:
        with self._ledger.read() as session:
            return self._is_free(session.get(Duty, self._name), now)

    def _take(self, now: datetime) -> bool:
        try:
            with self._ledger.write() as session:
                return self._write(session, now)
        except IntegrityError:
            return False  # another agent took it in this moment

    def _write(self, session: Session, now: datetime) -> bool:
        row = session.get(Duty, self._name, with_for_update=True)
        if not self._is_free(row, now):
            return False
        if row is None:
            row = Duty(name=self._name)
            session.add(row)
        row.holder, row.until = self._holder, now + LEASE
        return True

    def _is_free(self, row: Duty | None, now: datetime) -> bool:
        """One held for longer than any lease was taken before the clock was put back."""
        if row is None or row.holder == self._holder:
            return True
        return not now < row.until <= now + 2 * LEASE
