"""A web process has no loop of its own: a thread says that it lives."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from portal.cli.key_watch import KeyWatch
from portal.ledger import Ledger
from portal.models import utc_now
from portal.services import beats

logger = logging.getLogger(__name__)

_LEAVE_SECONDS = 2.0


class Pulse(threading.Thread):
    """Beats for a web process until it is stopped.

    :param watch: sees to it that the process ends when its secret key was replaced
    """

    def __init__(self, ledger: Ledger, watch: KeyWatch) -> None:
        super().__init__(name="pulse", daemon=True)
        self._ledger = ledger
        self._watch = watch
        self._stopped = threading.Event()

    def run(self) -> None:
        """A ledger that is away for a while costs some beats, not the thread."""
        while True:
            try:
                with self._ledger.write() as session:
                    beats.beat(session, "web", now=utc_now())
            except SQLAlchemyError as error:
                logger.warning("this process could not say that it is alive: %s", error)
            self._watch.look()
            if self._stopped.wait(beats.BEAT_SECONDS):
                return

    def stop(self) -> None:
        """The process ends; a ledger that does not answer does not keep it."""
        self._stopped.set()
        with suppress(SQLAlchemyError), self._ledger.write(patience=_LEAVE_SECONDS) as session:
            beats.leave(session, "web")
