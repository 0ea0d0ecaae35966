"""A process that runs for weeks notices when the schema has moved on under it (ADR 15)."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from portal import schema
from portal.ledger import Ledger
from portal.services.schema_fit import Fit

logger = logging.getLogger(__name__)

EVERY_SECONDS = 15.0


class SchemaWatch:
    """Looks now and then; ends the process in order once it can no longer work on the schema.

    Whoever supervises it starts it again, and it then says what is to be done.

    :param end: asks this process to end
    :param clock: seconds that only grow
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        end: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGTERM),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._end = end
        self._clock = clock
        self._due = clock() + EVERY_SECONDS
        self._seen = Fit.CURRENT

    def look(self) -> None:
        """Look, if it is time; a ledger that is away is none of its business."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + EVERY_SECONDS
        try:
            fit = schema.fit(self._ledger)
        except SQLAlchemyError:
            return
        if fit is not self._seen and fit is Fit.NEWER:
            logger.warning("the schema is newer than this program now; it goes on until restarted")
        if fit is Fit.TOO_NEW:
            logger.error("this program cannot work on the newer schema: install the new release")
            self._end()
        self._seen = fit
