"""The head of a control call's answer comes in time, or the connection is cut.

A read timeout is for every wait for bytes, so a head that comes byte by byte would keep a worker
for hours; the body has its own bound in ``control``.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from http.client import HTTPResponse
from threading import Timer
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from portal.outbound.http import JudgedAdapter, JudgedConnection, JudgedTlsConnection

#: An answer's head and its body may take this many read timeouts each, however steadily they drip.
ANSWER_TIMEOUTS = 5


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._socket = sock
        self._is_late = False

    def begin(self) -> None:
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


class _Connection(JudgedConnection):
    response_class = _Response


class _TlsConnection(JudgedTlsConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class HeadInTimeAdapter(JudgedAdapter):
    """What a session is given for its control calls; connections through a proxy are not bound."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Build the pools from connections that cut a dripping head."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
