"""The ledger's place taken by lists, and a small HTTP server that holds files."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from portal.errors import LedgerAway, SyncError
from portal.sync.throttle.level import Report, Share
from portal.sync.transfer.work import Claim, Control, Result
from tests.portal.fake_source import make_file


class FakeDesk:
    """Implements :class:`portal.sync.transfer.work.Desk`; hands out each claim once.

    A ``generous`` one hands out all there are, whatever the limit; ``failures`` is how often
    settling raises ``failure`` before it works; ``heard`` is told every report, and ``limits`` are
    those of every claim.
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.waiting = deque(claims)
        self.settled: dict[int, Result] = {}
        self.groups: list[Sequence[Result]] = []
        self.released: list[int] = []
        self.lost: frozenset[int] = frozenset()
        self.refused: set[int] = set()
        self.failures = 0
        self.failure: type[Exception] = LedgerAway
        self.generous = False
        self.say: Callable[[], Control] = Control
        self.share = Share(window=8)
        self.causes: list[str] = []
        self.reports: list[Report] = []
        self.heard: Callable[[Report], None] = lambda _: None
        self.limits: list[int] = []

    def claim(self, limit: int) -> list[Claim]:
        self.limits.append(limit)
        most = len(self.waiting) if self.generous else limit
        return [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]

    def control(self) -> Control:
        return self.say()

    def renew(self, held: Sequence[Claim]) -> frozenset[int]:
        return self.lost & {claim.item_id for claim in held}

    def settle(self, results: Sequence[Result]) -> list[Result]:
        if self.failures:
            self.failures -= 1
            raise self.failure("the ledger is away")
        self.groups.append(results)
        self.settled |= {result.claim.item_id: result for result in results}
        return [result for result in results if result.claim.item_id in self.refused]

    def hold(self, cause: SyncError) -> None:
        self.causes.append(cause.code)

    def exchange(self, report: Report) -> Share:
        self.reports.append(report)
        self.heard(report)
        return self.share

    def release(self, claims: Sequence[Claim]) -> None:
        self.released += [claim.item_id for claim in claims]

    @property
    def codes(self) -> dict[int, str | None]:
        """How every settled item came out."""
        return {
            item_id: result.error.code if result.error else None
            for item_id, result in sorted(self.settled.items())
        }


def make_claim(number: int, *, count: int = 1, **changes: Any) -> Claim:
    """A claim of ``count`` files, or of the ``files`` given."""
    values: dict[str, Any] = {
        "item_id": number,
        "document_id": number,
        "fence": 1,
        "attempt": 1,
        "folder": f"s/2024-01/D{number}",
        "files": tuple(make_file(number, position + 1) for position in range(count)),
    }
    return Claim(**{**values, **changes})


class FileServer(ThreadingHTTPServer):
    """Serves ``/files/<id>``: a text that names the file, unless ``answers`` has something else.

    An answer is (status, headers, body). A file in ``held`` is answered only after ``go``;
    ``waiting`` is set as soon as one is asked for.
    """

    daemon_threads = False
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.tokens: set[str] | None = None
        self.held: set[str] = set()
        self.go = threading.Event()
        self.waiting = threading.Event()
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.go.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


def body_of(file_id: str) -> bytes:
    return f"the text of {file_id}\n".encode() * 40


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    timeout = 30

    def do_GET(self) -> None:
        file_id = self.path.rpartition("/")[2]
        self.server.asked.append(file_id)
        if file_id in self.server.held:
            self.server.waiting.set()
            self.server.go.wait(30)
        with suppress(OSError):  # the client went away, which is what some tests are about
            self._answer(file_id)

    def _answer(self, file_id: str) -> None:
        tokens = self.server.tokens
        status, headers, body = self.server.answers.get(file_id, (200, {}, body_of(file_id)))
        if tokens is not None and self.headers["Authorization"].split()[1] not in tokens:
            status, headers, body = 401, {}, b""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
