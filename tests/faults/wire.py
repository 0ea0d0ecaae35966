"""HTTP spoken by hand on a socket, so that it can be spoken wrongly; every request is kept."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class Seen:
    """One request as it arrived, and how many bytes went back; ``at`` in monotonic seconds."""

    at: float
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    sent: int = 0
    note: str = ""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def token(self) -> str | None:
        """The token it carries, wherever it carries it."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return bearer or parse_qs(urlsplit(self.target).query).get("access_token", [""])[0] or None


class Peer:
    """The client's end of one connection, for the answer to one request."""

    def __init__(self, connection: socket.socket, seen: Seen) -> None:
        self._connection = connection
        self.seen = seen

    def send(self, data: bytes) -> None:
        """Send bytes as they are.

        :raises OSError: the client went away
        """
        self._connection.sendall(data)
        self.seen.sent += len(data)

    def reset(self) -> None:
        """End the connection with a reset instead of an orderly close."""
        linger = struct.pack("ii", 1, 0)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()

    def stall(self) -> None:
        """Send nothing until the client has had enough, or the server closes."""
        while not self.is_gone(60.0):
            pass

    def drip(self, data: bytes, pause: float) -> None:
        """Send byte after byte, ``pause`` seconds apart, until the client has had enough."""
        for value in data:
            if self.is_gone(pause):
                return
            self.send(bytes([value]))

    def is_gone(self, patience: float) -> bool:
        """Whether the client hangs up within so many seconds."""
        readable, _, _ = select.select([self._connection], [], [], patience)
        return bool(readable)


class Listener(ABC):
    """A server on loopback with a thread for each connection.

    :param name: the host in its address; ``localhost`` is another one than ``127.0.0.1``
    """

    def __init__(self, name: str = LOOPBACK) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self._name = name
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server((LOOPBACK, 0), backlog=256)
        self._port = int(self._socket.getsockname()[1])
        self._acceptor = threading.Thread(target=self._accept, args=(self._socket,))
        self._acceptor.start()

    @property
    def host(self) -> str:
        return f"{self._name}:{self._port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @abstractmethod
    def answer(self, peer: Peer) -> bool:
        """Answer a request; True to keep the connection for the next one."""

    def refuse(self) -> None:
        """Refuse connections until :meth:`listen`; those that are open are cut."""
        _shut(self._socket)
        self._acceptor.join()
        self._socket.close()
        for connection in list(self._open):
            _shut(connection)

    def listen(self) -> None:
        """Accept connections again, at the same address."""
        self._socket = socket.create_server((LOOPBACK, self._port), backlog=256)
        self._acceptor = threading.Thread(target=self._accept, args=(self._socket,))
        self._acceptor.start()

    def close(self) -> None:
        self.refuse()
        for thread in self._threads:
            thread.join()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self._open.add(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while seen := _read_request(connection):
                with self._lock:
                    self.seen.append(seen)
                if not self.answer(Peer(connection, seen)):
                    break
        except OSError:
            pass  # the client went away, which is what some faults are about
        finally:
            self._open.discard(connection)
            # Commands forked meanwhile hold the socket too: closing alone would tell nobody.
            _shut(connection)
            connection.close()


class ForeignHost(Listener):
    """A host that is not the source's, so that nobody may send it a token; holds ``bodies``."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        super().__init__("localhost")

    def answer(self, peer: Peer) -> bool:
        body = self.bodies.get(peer.seen.path, b"nothing of yours")
        peer.send(head("200 OK", f"Content-Length: {len(body)}") + body)
        return True


def head(status: str, *lines: str, version: str = "HTTP/1.1") -> bytes:
    """A status line and header lines, to the empty line."""
    return "".join(f"{line}\r\n" for line in (f"{version} {status}", *lines, "")).encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def _read_request(connection: socket.socket) -> Seen | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    raw, _, body = data.partition(b"\r\n\r\n")
    request, *lines = raw.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    while len(body) < int(headers.get("content-length", "0")):
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    method, target, _ = request.split(" ", 2)
    return Seen(time.monotonic(), method, target, headers, body)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
