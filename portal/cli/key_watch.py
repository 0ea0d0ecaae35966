"""A process that runs for weeks notices when the secret key was replaced (ADR 21)."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from portal.errors import action, reason
from portal.ledger import Ledger
from portal.services import same_keys

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0


class KeyWatch:
    """Looks now and then; ends the process in order once its key is not the ledger's any more.

    Whoever supervises it starts it again: with the new key if that lies in its file; else it says
    what is to be done. What it writes meanwhile with the old key is refused by the ledger.

    :param key: the fingerprint of this process's key
    :param end: asks this process to end
    :param clock: seconds that only grow
    """

    def __init__(
        self,
        ledger: Ledger,
        key: str,
        *,
        end: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGTERM),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._key = key
        self._end = end
        self._clock = clock
        self._due = clock() + EVERY_SECONDS

    def look(self) -> None:
        """Look, if it is time; a ledger that is away is none of its business."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + EVERY_SECONDS
        try:
            with self._ledger.read() as session:
                is_current = same_keys.is_current(session, self._key)
        except SQLAlchemyError:
            return
        if not is_current:
            code = "SECRET_KEY_CHANGED"
            for language in ("zh", "en"):
                todo = action(code, {}, language)
                logger.error("%s: %s. %s", code, reason(code, {}, language), todo)
            self._end()
