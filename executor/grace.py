"""What happens to a worker whose handler goes on although its run was stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Self

logger = logging.getLogger(__name__)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks into the ledger."""


class GraceWatch:
    """Calls ``abandon`` once when the grace is over, from a thread, inside a ``with`` block.

    :param was_stopped: whether the handler should come to an end; asked once a second
    :param abandon: ends the process, which alone stops a thread that does not listen
    """

    def __init__(
        self,
        was_stopped: Callable[[], bool],
        abandon: Callable[[], object],
        *,
        grace_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._was_stopped = was_stopped
        self._abandon = abandon
        self._grace_seconds = grace_seconds
        self._monotonic = monotonic
        self._returned = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="run-grace", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._returned.set()
        self._thread.join()

    def _watch(self) -> None:
        stopped_at: float | None = None
        while not self._returned.wait(LOOK_EVERY):
            if stopped_at is None and self._look():
                stopped_at = self._monotonic()
            if stopped_at is not None and self._monotonic() - stopped_at >= self._grace_seconds:
                self._abandon()
                return

    def _look(self) -> bool:
        try:
            return self._was_stopped()
        except Exception:
            logger.exception("the ledger could not be asked for a run; trying again")
            return False
