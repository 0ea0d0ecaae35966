"""The threads that talk with admins, so that one that hangs keeps nothing else waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Self

from .admins import AdminClient
from .outbox import Outbox
from .registration import Registrar

logger = logging.getLogger(__name__)

STEP_SECONDS: Final = 1.0
STOP_SECONDS: Final = 5.0


class Talking:
    """One thread that registers for each admin, and one that delivers results, in a ``with``."""

    def __init__(
        self,
        registrar: Registrar,
        outbox: Outbox,
        clients: Sequence[AdminClient],
        clock: Callable[[], datetime],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._stop = threading.Event()
        self._threads = [
            self._thread(f"register at {client.address}", registrar.register_due, client)
            for client in clients
        ]
        if clients:
            self._threads.append(self._thread("deliver results", self._deliver))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Wait a little for the calls under way; a reservation that is left behind runs out."""
        self._stop.set()
        until = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _thread(self, name: str, step: Callable[..., None], *first: object) -> threading.Thread:
        def loop() -> None:
            while True:
                try:
                    step(*first, self._clock())
                except Exception:
                    logger.exception("a step failed: %s", name)
                if self._stop.wait(STEP_SECONDS):
                    return

        return threading.Thread(target=loop, name=name, daemon=True)

    def _deliver(self, now: datetime) -> None:
        while self._outbox.deliver_due(now) and not self._stop.is_set():
            now = self._clock()
