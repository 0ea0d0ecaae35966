"""Asking a queue that may be away: nobody waits for it twice, and the log says it once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from portal.errors import SyncError, action, reason

logger = logging.getLogger(__name__)
T = TypeVar("T")

_PAUSE_SECONDS = 1.0
# A server that does not even refuse must not take most of the time of whoever tells it things.
_SLOW_SECONDS, _SLOW_PAUSES = 2.0, 4.0


class Reach:
    """What one process knows of its queue; several threads may ask at once.

    :param store: see :func:`portal.tasks.stores.open_store`
    :param url: whose password no text may show
    :param clock: seconds that only grow
    """

    def __init__(
        self, store: Any, url: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._secret = unquote(urlsplit(url).password or "")
        self._clock = clock
        self._lock = threading.Lock()
        self._away: SyncError | None = None
        self._since = 0.0
        self._again_at = 0.0

    def ask(self, call: Callable[[], T]) -> T:
        """What the call answers; a connection that broke meanwhile is made anew at once.

        :raises SyncError: QUEUE_UNREACHABLE, QUEUE_UNWRITABLE; without asking when it was away a
            moment ago
        """
        away = self._away
        if away is not None and self.pause() > 0:
            raise SyncError(away.code, **away.params)
        began = self._clock()
        try:
            answer = self._twice(call) if away is None else call()
        except self._store.errors as error:
            self._let_go()
            raise self._note(error, self._clock() - began) from error
        if away is not None:
            self._note_answer()
        return answer

    def pause(self) -> float:
        """For how many seconds it is not asked any more; 0 when it may be."""
        return max(self._again_at - self._clock(), 0.0) if self._away is not None else 0.0

    def _twice(self, call: Callable[[], T]) -> T:
        began = self._clock()
        try:
            return call()
        except self._store.errors:
            if self._clock() - began > _SLOW_SECONDS:
                raise
            self._let_go()
            return call()

    def _let_go(self) -> None:
        """Of a connection that may be broken, or of one whose tables are gone."""
        with self._lock, suppress(*self._store.errors):
            self._store.close()

    def _note(self, error: Exception, took: float) -> SyncError:
        away = self._store.cannot_be_asked(error)
        told = SyncError(
            "QUEUE_UNREACHABLE" if away else "QUEUE_UNWRITABLE", detail=self._detail(error)
        )
        with self._lock:
            is_news = self._away is None
            self._away = told
            if is_news:
                self._since = self._clock()
            slow = took * _SLOW_PAUSES if took > _SLOW_SECONDS else 0.0
            self._again_at = self._clock() + max(_PAUSE_SECONDS, slow)
        if is_news:
            text = reason(told.code, told.params, "en")
            logger.warning("%s: %s. %s", told.code, text, action(told.code, told.params, "en"))
        return told

    def _note_answer(self) -> None:
        with self._lock:
            was_away, self._away = self._away is not None, None
        if was_away:
            logger.warning("the queue answers again, after %.0f s", self._clock() - self._since)

    def _detail(self, error: Exception) -> str:
        lines = str(error).splitlines() or [type(error).__name__]
        text = lines[0].replace(self._secret, "***") if self._secret else lines[0]
        return text[:160]
