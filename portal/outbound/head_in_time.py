"""The head of an answer comes in time, or the connection is cut.

A read timeout is for every wait for bytes, so a head that comes byte by byte would keep whoever
asked for hours; the body is bounded by whoever reads it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from http.client import HTTPResponse
from threading import Timer
from typing import Any

#: An answer's head and its body may take this many read timeouts each, however steadily they drip.
ANSWER_TIMEOUTS = 5


class HeadInTime(HTTPResponse):
    """An answer whose head is waited for so long, when its socket has a timeout at all."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._socket = sock
        self._is_late = False

    def begin(self) -> None:
        """Read the head.

        :raises TimeoutError: when it drips
        """
        patience = self._socket.gettimeout()
        if patience is None:
            super().begin()
            return
        timer = Timer(patience * ANSWER_TIMEOUTS, self._cut)
        timer.daemon = True
        timer.start()
        try:
            super().begin()
        finally:
            timer.cancel()
        if self._is_late:
            # A head that ends with its connection passes for a whole one.
            raise TimeoutError("the head did not come in time")

    def _cut(self) -> None:
        self._is_late = True
        with suppress(OSError):
            # Not the method of a TLS socket, which changes what the reading thread is using.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
