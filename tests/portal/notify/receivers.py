"""Those who are told, for tests: an HTTP server that keeps what it gets, and a mail server."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


class HttpReceiver(ThreadingHTTPServer):
    """Answers every POST with ``answer``; ``got`` are path, headers and body of each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.answer: tuple[int, bytes] = (200, b'{"errcode":0,"errmsg":"ok"}')
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.drips = ""
        """``head`` or ``body``: which part of its answers never ends."""
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/robot/send?access_token=key-of-robot"


class _Post(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver = cast(HttpReceiver, self.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.got.append((self.path, dict(self.headers), body))
        status, answer = receiver.answer
        if receiver.drips:
            self._drip(receiver)
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", receiver.url)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _drip(self, receiver: HttpReceiver) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.wfile.write(b"X: " if receiver.drips == "head" else b"\r\n")
        with suppress(OSError):
            while not receiver.closing.wait(0.02):
                self.wfile.write(b"x")

    def log_message(self, *_: Any) -> None:
        pass


class MailReceiver(socketserver.ThreadingTCPServer):
    """Takes mail; refuses recipients of ``refused``; ``got`` are the messages."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.refused: set[str] = set()
        self.got: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Mail(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        receiver = cast(MailReceiver, self.server)
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            word = line.split(maxsplit=1)[0].upper()
            if word == "DATA":
                self._say("354 go on")
                lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                receiver.got.append("".join(lines))
                self._say("250 taken")
            elif word == "QUIT":
                self._say("221 bye")
                return
            elif word == "RCPT" and any(name in line for name in receiver.refused):
                self._say("550 nobody of that name")
            else:
                self._say("250 well")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
