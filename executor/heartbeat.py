"""Keeps a lease alive while a handler runs, however long it is silent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

logger = logging.getLogger(__name__)


class Heartbeat:
    """Calls ``renew`` every ``seconds`` from a thread of its own, inside a ``with`` block.

    Stops by itself when ``renew`` returns False. An exception in ``renew`` is logged and tried
    again at the next beat: a database that was away for a moment must not cost the run.
    """

    def __init__(self, renew: Callable[[], bool], *, seconds: float) -> None:
        self._renew = renew
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="run-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                if not self._renew():
                    return
            except Exception:
                logger.exception("the lease of a run could not be renewed; trying again")
