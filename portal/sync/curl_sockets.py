"""The sockets of libcurl's transfers: each is opened only where the rule for connections allows."""

from __future__ import annotations

import socket
from typing import Any

import pycurl

from portal.outbound.rule import rule


class JudgedSockets:
    """What libcurl asks for a socket, once for every address it is about to connect to.

    :ivar refused: the last address that was forbidden; empty when none was
    """

    def __init__(self) -> None:
        self.refused = ""

    def __call__(self, _purpose: int, place: Any) -> Any:
        """A socket for libcurl, which takes a copy of it; a refusal ends as no connection."""
        address = str(place.addr[0])
        if rule.forbids(address):
            self.refused = address
            return pycurl.SOCKET_BAD
        return _Lent(socket.socket(place.family, place.socktype, place.protocol))


class _Lent:
    """A socket that is closed when libcurl's binding has copied it and lets go of it."""

    def __init__(self, made: socket.socket) -> None:
        self._made = made

    def fileno(self) -> int:
        """The descriptor to copy."""
        return self._made.fileno()

    def __del__(self) -> None:
        self._made.close()
