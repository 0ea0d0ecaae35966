"""What happened on the wire, for ``/_demo/statistics``."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Traffic:
    """Counters of one run; safe to share between threads.

    :param positions: how many positions of files there are
    """

    def __init__(self, positions: int) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._downloaded = bytearray(positions)
        self._repeated: Counter[int] = Counter()
        self._bytes_sent = 0
        self._throttled = 0
        self._in_flight = 0
        self._most_in_flight = 0

    def called(self, call: str) -> None:
        """A call of the contract came in, whatever its answer will be."""
        with self._lock:
            self._calls[call] += 1

    def throttled(self) -> None:
        """A call was refused for the rate."""
        with self._lock:
            self._throttled += 1

    def downloading(self, position: int) -> None:
        """Bytes of a file are about to be sent."""
        with self._lock:
            if self._downloaded[position]:
                self._repeated[position] += 1
            self._downloaded[position] = 1

    def sent(self, count: int) -> None:
        """So many bytes of a file were handed to the server."""
        with self._lock:
            self._bytes_sent += count

    def snapshot(self) -> dict[str, Any]:
        """The counters; downloads are by position and only those of more than once."""
        with self._lock:
            return {
                "calls": dict(self._calls),
                "throttled": self._throttled,
                "bytesSent": self._bytes_sent,
                "inFlight": self._in_flight,
                "mostInFlight": self._most_in_flight,
                "repeated": {place: 1 + more for place, more in self._repeated.items()},
            }

    def watched(self, app: WSGIApplication) -> WSGIApplication:
        """The application with a counter of requests in flight around it."""

        def watching(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self._move(1)
            try:
                return ClosingIterator(app(environ, start_response), lambda: self._move(-1))
            except BaseException:
                self._move(-1)
                raise

        return watching

    def _move(self, step: int) -> None:
        with self._lock:
            self._in_flight += step
            self._most_in_flight = max(self._most_in_flight, self._in_flight)
