"""A proxy before an S3 server that does what networks, gateways and bad servers do.

It forwards everything until a fault is set; a fault may be limited to some requests and times.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import requests

Kind = Literal[
    "refuse",  # answer with `status` and `code`, and do nothing
    "drop",  # close the connection when the request has come
    "drop in upload",  # close it when half of the body has come
    "lose answer",  # do it, and close the connection without an answer
    "cut answer",  # half of the body, and close the connection
    "short answer",  # half of the body, and say that this is all
    "store less",  # forward half of the body, and answer as if it were all
    "store other",  # forward other bytes of the same number
    "lie about etag",  # another ETag in the answer
    "stall",  # do nothing, and never answer
    "do and stall",  # do it, and never answer
    "small pages",  # lists of two
    "no conditions",  # as servers do that do not know them
]


@dataclass
class Fault:
    """What goes wrong, after ``skip`` requests that it fits, and so many ``times``."""

    kind: Kind
    methods: tuple[str, ...] = ("GET", "PUT", "POST", "DELETE")
    matching: str = ""
    skip: int = 0
    times: int = 1_000_000
    status: int = 503
    code: str = "SlowDown"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A request that came, and when it came how many were under way, itself included."""

    method: str
    path: str
    headers: dict[str, str]
    at_once: int


class FaultyS3:
    """The proxy's face to a test."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.fault: Fault | None = None
        self.seen: list[Seen] = []
        self.stalled = threading.Event()
        self.stalling = 0
        self.session = requests.Session()
        self._lock = threading.Lock()
        self._under_way = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.faulty = self  # type: ignore[attr-defined]

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        self.stalled.set()
        self._server.shutdown()
        self._server.server_close()
        self.session.close()

    def requests(self, method: str, matching: str = "") -> list[Seen]:
        return [s for s in self.seen if s.method == method and re.search(matching, s.path)]

    def _due(self, fault: Fault) -> Fault | None:
        if fault.skip > 0:
            fault.skip -= 1
            return None
        fault.times -= 1
        return fault if fault.times >= 0 else None

    def stall(self) -> None:
        """Stand still until the test lets go, or is over."""
        with self._lock:
            self.stalling += 1
        self.stalled.wait(60)

    @contextmanager
    def under_way(self, handler: BaseHTTPRequestHandler) -> Iterator[Fault | None]:
        with self._lock:
            self._under_way += 1
            headers = {name.lower(): value for name, value in handler.headers.items()}
            method = str(handler.command)
            self.seen.append(Seen(method, handler.path, headers, self._under_way))
            fault = self.fault
            if fault is not None:
                fits = method in fault.methods and re.search(fault.matching, handler.path)
                fault = self._due(fault) if fits else None
        try:
            yield fault
        finally:
            with self._lock:
                self._under_way -= 1


@contextmanager
def faulty_s3(target: str) -> Iterator[FaultyS3]:
    faulty = FaultyS3(target)
    thread = threading.Thread(target=faulty.serve, daemon=True)
    thread.start()
    try:
        yield faulty
    finally:
        faulty.close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        faulty: FaultyS3 = self.server.faulty  # type: ignore[attr-defined]
        with faulty.under_way(self) as fault, suppress(ConnectionError):
            self._serve(faulty, fault)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def _serve(self, faulty: FaultyS3, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length // 2 if kind == "drop in upload" else length)
        if kind == "stall":
            faulty.stall()
        if kind in ("drop in upload", "drop", "stall"):
            self._hang_up()
        elif fault is not None and kind == "refuse":
            text = f"<Error><Code>{fault.code}</Code></Error>".encode()
            self._answer(fault.status, fault.headers, text)
        else:
            self._serve_really(faulty, kind, body)

    def _serve_really(self, faulty: FaultyS3, kind: Kind | None, body: bytes) -> None:
        if kind == "store less":
            body = body[: len(body) // 2]
        elif kind == "store other":
            body = bytes(byte ^ 1 for byte in body)
        path = self.path
        if kind == "small pages":
            path = re.sub(r"max-keys=\d+", "max-keys=2", path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        for name in ("content-length", "host", "content-md5"):
            headers.pop(name, None)
        if kind == "no conditions":
            headers.pop("if-none-match", None)
        answer = faulty.session.request(
            str(self.command), faulty.target + path, data=body, headers=headers, timeout=30
        )
        if kind == "do and stall":
            faulty.stall()
        if kind in ("do and stall", "lose answer"):
            self._hang_up()
            return
        content, told = answer.content, dict(answer.headers)
        half = content[: len(content) // 2]
        if kind == "lie about etag":
            told["ETag"] = '"00000000000000000000000000000000"'
        if kind == "cut answer":
            self._answer(answer.status_code, told, half, content)
        else:
            whole = half if kind == "short answer" else content
            self._answer(answer.status_code, told, whole)

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, told: bytes | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body if told is None else told)))
        self.end_headers()
        self.wfile.write(body)
        if told is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
