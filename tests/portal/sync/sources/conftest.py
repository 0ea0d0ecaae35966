"""A source of our own that plays the contract, or whatever answers a test scripts."""

from __future__ import annotations

import contextlib
import copy
import json
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from portal.sync.sources.connection import Connection
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.sources.rows import Scope

SECRET = "s3cret-of-the-tenant"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
TOKEN = "/archivebase/scan/login/token"
COUNT = "/imgsys/migrate/v1/count"
DOCUMENTS = "/imgsys/migrate/v1/documents"

ROW: dict[str, Any] = {
    "scanBillNo": "FYBX20240103000017",
    "billNo": "FY-2024-000017",
    "fbillTypeCode": "FYBX",
    "fbillTypeDes": "费用报销单",
    "fapplyOrganizationCode": "1001",
    "fapplyOrganizationName": "深圳总部",
    "fapplyUserName": "张伟",
    "collectTime": "2024-01-03T09:21:44+08:00",
    "totalAmount": "1280.50",
    "resource": "EAS",
    "files": [
        {
            "fileId": "f-000017-1",
            "fileType": "cover",
            "seq": 1,
            "fileName": "封面.jpg",
            "fileSuffix": "jpg",
            "fileSize": 61240,
            "sha256": "AB" * 32,
            "pageCount": 1,
            "downloadUrl": None,
        }
    ],
}


GROUP = {
    "month": "2024-01",
    "orgCode": "1001",
    "billTypeCode": "FYBX",
    "documents": 1,
    "files": 2,
    "bytes": 3,
    "amount": "123.45",
}


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    query: dict[str, list[str]]
    authorization: str | None
    body: dict[str, Any]
    connection: tuple[str, int]


@dataclass
class Answer:
    """One answer to give; ``pieces`` are written one by one, each after ``pause`` seconds."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    piece: int = 1 << 20
    length: int | None = None


def _envelope(data: object, errcode: object = "0000", headers: Any = None) -> Answer:
    answer = {"errcode": errcode, "description": "说明\n", "data": data, "traceId": "t"}
    kind = {"Content-Type": "application/json;charset=UTF-8"}
    return Answer(body=json.dumps(answer).encode(), headers=kind | (headers or {}))


class SourceServer:
    """The server; ``script`` sets what the next requests of a path are answered."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.valid_token = "token-0"
        self.tokens = 0
        self.rows: list[Any] = [ROW]
        self._scripts: dict[str, deque[Answer]] = defaultdict(deque)
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        handler = type("Handler", (_Handler,), {"source": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = False  # so that close() waits for them
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def script(self, path: str, **answer: Any) -> None:
        """The next request of ``path`` not scripted yet gets this Answer."""
        self._scripts[path].append(Answer(**answer))

    def reply(self, path: str, data: object, errcode: object = "0000", **headers: str) -> None:
        """The same with an envelope."""
        self._scripts[path].append(_envelope(data, errcode, headers))

    def calls(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def answer(self, seen: Seen) -> Answer:
        scripted = self._scripts[seen.path]
        if scripted:
            return scripted.popleft()
        if seen.path == TOKEN:
            self.tokens += 1
            self.valid_token = f"token-{self.tokens}"
            return _envelope({"accessToken": self.valid_token, "expiresTime": 129600})
        passed = seen.query.get("access_token", [""])[0]
        if self.valid_token not in (passed, (seen.authorization or "").removeprefix("Bearer ")):
            return Answer(401)
        if seen.path == COUNT:
            return _envelope({"documents": 1, "files": 2, "bytes": 3, "groups": [GROUP]})
        page_no = seen.body.get("pageNo", 1)
        return _envelope({"total": len(self.rows), "pageNo": page_no, "rows": self.rows})

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        # A client whose error is still held keeps its connection open; handlers end all the same.
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    source: SourceServer
    protocol_version = "HTTP/1.1"
    timeout = 10

    def setup(self) -> None:
        super().setup()
        self.source.connections.add(self.connection)

    def finish(self) -> None:
        self.source.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        parts = urlsplit(self.path)
        seen = Seen(
            path=parts.path,
            query=parse_qs(parts.query),
            authorization=self.headers.get("Authorization"),
            body=json.loads(self.rfile.read(length)),
            connection=self.client_address,
        )
        self.source.seen.append(seen)
        try:
            self._send(self.source.answer(seen))
        except ConnectionError:
            self.close_connection = True  # the client had enough; some tests mean that

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        length = len(answer.body) if answer.length is None else answer.length
        self.send_header("Content-Length", str(length))
        self.end_headers()
        for start in range(0, len(answer.body), answer.piece):
            self.source.closing.wait(answer.pause)
            self.wfile.write(answer.body[start : start + answer.piece])
        self.close_connection = length != len(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[SourceServer]:
    running = SourceServer()
    yield running
    running.close()


@pytest.fixture
def connect(server: SourceServer) -> Iterator[Callable[..., PiaozoneSource]]:
    """Makes sources of the server; keywords are those of Connection."""
    sessions: list[requests.Session] = []

    def make(**options: Any) -> PiaozoneSource:
        session = requests.Session()
        sessions.append(session)
        known = {"base_url": server.base_url, "client_id": "ent-1", "client_secret": SECRET}
        return PiaozoneSource(Connection(**known | options), session, clock=lambda: NOW)

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def row() -> dict[str, Any]:
    """The contract's row, the test's own to spoil."""
    return copy.deepcopy(ROW)


@pytest.fixture
def scope() -> Scope:
    return Scope(datetime(2023, 12, 31, 16, tzinfo=UTC), datetime(2024, 1, 31, 16, tzinfo=UTC))
