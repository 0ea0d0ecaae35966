"""An outbound proxy for tests: CONNECT and forwarding; counts what passes, and can refuse."""

from __future__ import annotations

import base64
import socket
import ssl
import struct
import threading
from contextlib import closing, suppress
from urllib.parse import urlsplit


class ProxyServer:
    """Runs until closed.

    ``credentials``, as ``user:password``, are demanded when set. ``mode`` is ``refuse`` (403 to
    everything), ``mark`` (503 with a mark of its own), ``reset`` (hang up on every request), or
    empty. ``passed`` are the lines of requests it let through, ``heads`` all it was told,
    ``ports`` its own ports on the far side, by which a server knows that a request came from here.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.credentials = ""
        self.mode = ""
        self.passed: list[str] = []
        self.heads: list[str] = []
        self.ports: set[int] = set()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def url(self, credentials: str) -> str:
        return self.address.replace("://", f"://{credentials}@")

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.add(client)
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, raw: socket.socket) -> None:
        client = raw
        with suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(raw, server_side=True)
                self._open.add(client)
            self._answer(client)
        self._open -= {raw, client}
        client.close()
        raw.close()

    def _answer(self, client: socket.socket) -> None:
        head, rest = _read_head(client)
        if not head:
            return
        self.heads.append(head)
        refusal = self._refusal(head, client)
        if refusal:
            client.sendall(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        method, target, _ = head.split("\r\n")[0].split(" ")
        self.passed.append(f"{method} {target}")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            with closing(self._connect(host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server.sendall(rest)
                self._tunnel(client, server)
            return
        parts = urlsplit(target)
        assert parts.hostname is not None
        with closing(self._connect(parts.hostname, parts.port or 80)) as server:
            path = target.partition("//")[2].partition("/")[2]
            lines = [f"{method} /{path} HTTP/1.1", "Connection: close"]
            lines += [
                line
                for line in head.split("\r\n")[1:]
                if not line.lower().startswith(("proxy-", "connection:"))
            ]
            server.sendall("\r\n".join(lines).encode() + rest)
            self._tunnel(client, server)

    def _refusal(self, head: str, client: socket.socket) -> str:
        if self.mode == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionResetError
        if self.credentials:
            wanted = base64.b64encode(self.credentials.encode()).decode()
            if f"\r\nProxy-Authorization: Basic {wanted}\r\n".lower() not in head.lower():
                return '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"'
        if self.mode == "refuse":
            return "403 Forbidden"
        if self.mode == "mark":
            return "503 Unavailable\r\nProxy-Status: cache; error=dns_timeout"
        return ""

    def _connect(self, host: str, port: int) -> socket.socket:
        server = socket.create_connection((host, port), timeout=20)
        server.settimeout(None)
        self.ports.add(server.getsockname()[1])
        self._open.add(server)
        return server

    def _tunnel(self, client: socket.socket, server: socket.socket) -> None:
        back = threading.Thread(target=_copy, args=(server, client))
        back.start()
        _copy(client, server)
        back.join()
        self._open.discard(server)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for one in (sink, source):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _read_head(client: socket.socket) -> tuple[str, bytes]:
    """The request's head with its empty line, and what came after it."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = client.recv(65536)
        if not piece:
            return "", b""
        received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    return head.decode("latin-1") + "\r\n\r\n", rest
