"""A worker host has a pusher as long as there is a target to push to, and else none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal.ledger import Ledger
from portal.models import PushTarget
from portal.supervisor import ChildRefused, Program, Supervisor

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0


class PusherKeeper:
    """Starts a pusher beside this process, and stops it; to be used by the main thread only.

    :param clock: seconds that only grow
    """

    def __init__(self, ledger: Ledger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._clock = clock
        self._due = clock()
        self._supervisor: Supervisor | None = None

    def look(self) -> None:
        """See that it runs, if it should; a ledger that is away changes nothing."""
        if self._clock() >= self._due:
            self._due = self._clock() + EVERY_SECONDS
            self._judge()
        if self._supervisor is not None:
            try:
                self._supervisor.poll()
            except ChildRefused as error:
                logger.error("%s", error)
                self.close()

    def close(self) -> None:
        """Stop the pusher."""
        if self._supervisor is not None:
            self._supervisor.close()
            self._supervisor = None

    def _judge(self) -> None:
        try:
            with self._ledger.read() as session:
                enabled = select(PushTarget.id).where(PushTarget.enabled).limit(1)
                is_wanted = session.scalar(enabled) is not None
        except SQLAlchemyError:
            return
        if not is_wanted:
            self.close()
        elif self._supervisor is None:
            self._supervisor = Supervisor([Program("pusher", ("pusher",))])
