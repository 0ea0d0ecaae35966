"""The downloader against a server that plays every fault by raw bytes."""

from __future__ import annotations

import gzip
import hashlib
import ipaddress
import os
import queue
import random
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portal.errors import SyncError
from portal.sync.download import Download, Downloaded, Downloader, DownloadOptions
from portal.sync.proxy import Proxy
from portal.sync.response import Response

#: What a script may hold besides bytes to send and functions to call.
CUT, RESET, HOLD = object(), object(), object()
Script = Sequence[Any]

LOOPBACK = ipaddress.ip_address("127.0.0.1")
#: A wait that never runs out in a passing test.
LONG = 60.0


class ScriptedServer:
    """Sends, for each path, exactly the scripted bytes; remembers every request."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.scripts: dict[str, Script] = {}
        self.requests: list[tuple[int, str]] = []
        self.seen: queue.Queue[str] = queue.Queue()
        self.gone: queue.Queue[str] = queue.Queue()
        self.closed: queue.Queue[None] = queue.Queue()
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def url(self, target: str) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}{target}"

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
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.add(connection)
                thread = threading.Thread(target=self._serve, args=(connection, self.connections))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        raw = connection
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.add(connection)
            while (request := _read_request(connection)) and self._answer(
                connection, number, request
            ):
                pass
        except OSError:
            pass  # the client went away, which is what some tests are about
        finally:
            self._open -= {raw, connection}
            connection.close()
            self.closed.put(None)

    def _answer(self, connection: socket.socket, number: int, request: str) -> bool:
        target = request.split(" ", 2)[1]
        self.requests.append((number, request))
        self.seen.put(target)
        for step in self.scripts[target.partition("?")[0]]:
            if step is CUT:
                return False
            if step is RESET:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return False
            if step is HOLD:
                with suppress(OSError):
                    connection.recv(1)
                self.gone.put(target)
                return False
            if callable(step):
                step()
            else:
                connection.sendall(step)
        return True


def _read_request(connection: socket.socket) -> str:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        piece = connection.recv(4096)
        if not piece:
            return ""
        request += piece
    return request.decode()


class Collected:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


class Raising:
    """A sink that fails at its first bytes."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def write(self, data: bytes) -> None:
        raise self.error


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return head(*lines) + body


def head(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


SHORT_HEAD = head("HTTP/1.1 200 OK", "Content-Length: 900")
CHUNKED = head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
PICTURE = b"\xff\xd8\xff\xe0" + random.Random(7).randbytes(300_000)
BYTE_CHUNKS = [chunk(bytes([byte])) for byte in PICTURE[:600]]
PAGE = b"<!DOCTYPE html><html><title>\xe7\x99\xbb\xe5\xbd\x95</title>" + b"<p>sign in</p>" * 90
ENVELOPE = b'{"errcode": "1400", "description": "no such file", "data": null}'


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with closing(ScriptedServer()) as server:
        yield server


@pytest.fixture
def make() -> Iterator[Callable[..., Downloader]]:
    made: list[Downloader] = []

    def build(**options: Any) -> Downloader:
        made.append(Downloader(DownloadOptions(**options)))
        return made[-1]

    yield build
    for downloader in made:
        downloader.close()


@pytest.fixture
def downloader(make: Callable[..., Downloader]) -> Downloader:
    return make()


def fetch(
    downloader: Downloader,
    url: str,
    sink: Any = None,
    headers: tuple[str, ...] = (),
    suffix: str | None = "jpg",
) -> Downloaded:
    downloader.start(Download(1, url, headers, sink or Collected(), suffix))
    (ended,) = downloader.wait(LONG)
    assert ended.key == 1
    assert downloader.in_flight == 0
    return ended


def error_of(ended: Downloaded) -> SyncError:
    assert ended.error is not None
    assert ended.redirect is None
    return ended.error


# Whole bodies.


@pytest.mark.parametrize(
    "script",
    [
        [answer(PICTURE)],
        [head("HTTP/1.1 103 Early Hints", "Link: </x>") + answer(PICTURE)],
        [head("HTTP/1.1 200 OK", f"content-length:{len(PICTURE)}", "Content-Encoding: Identity")]
        + [PICTURE[start : start + 777] for start in range(0, len(PICTURE), 777)],
        [CHUNKED, *BYTE_CHUNKS, chunk(PICTURE[600:]), b"0\r\nHTTP/1.1 500 Trailer: x\r\n\r\n"],
    ],
    ids=["at once", "after an interim answer", "in pieces", "in chunks"],
)
def test_a_whole_body_reaches_the_sink(
    server: ScriptedServer, downloader: Downloader, script: Script
) -> None:
    server.scripts["/f"] = script
    sink = Collected()
    ended = fetch(downloader, server.url("/f"), sink)
    assert (ended.error, ended.redirect, ended.status) == (None, None, 200)
    assert ended.received == len(PICTURE)
    assert ended.framed
    assert sink.data == PICTURE


def test_a_body_shorter_than_what_is_judged_reaches_the_sink(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [answer(b"<a/>")]
    sink = Collected()
    assert fetch(downloader, server.url("/f"), sink, suffix="xml").error is None
    assert sink.data == b"<a/>"


def test_a_body_without_a_length_is_reported_as_unframed(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [head("HTTP/1.1 200 OK") + PICTURE, CUT]
    sink = Collected()
    ended = fetch(downloader, server.url("/f"), sink)
    assert ended.error is None
    assert not ended.framed
    assert sink.data == PICTURE


@pytest.mark.parametrize("surplus", [b"surplus", answer(b"bad")], ids=["junk", "a forged answer"])
def test_bytes_after_the_length_are_never_stored(
    server: ScriptedServer, downloader: Downloader, surplus: bytes
) -> None:
    server.scripts["/f"] = [answer(PICTURE) + surplus]
    server.scripts["/g"] = [answer(b"next")]
    for target, body in (("/f", PICTURE), ("/g", b"next")):
        sink = Collected()
        assert fetch(downloader, server.url(target), sink).error is None
        assert sink.data == body


def test_surplus_that_comes_late_is_not_the_next_files_fault(
    server: ScriptedServer, downloader: Downloader
) -> None:
    def mend() -> None:
        server.scripts["/g"] = [answer(PICTURE[:600])]

    server.scripts["/f"] = [answer(PICTURE)]
    server.scripts["/g"] = [mend, b"surplus\r\n", answer(b"bad"), CUT]
    assert fetch(downloader, server.url("/f")).error is None
    sink = Collected()
    assert fetch(downloader, server.url("/g"), sink).error is None
    assert sink.data == PICTURE[:600]
    assert server.connections == 2


def test_an_answer_that_is_not_http_on_a_new_connection_too_is_an_error(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [answer(PICTURE)]
    server.scripts["/g"] = [b"surplus\r\n", CUT]
    assert fetch(downloader, server.url("/f")).error is None
    assert error_of(fetch(downloader, server.url("/g"))).code == "SRC_BAD_ANSWER"
    assert len(server.requests) == 3


def test_64_downloads_at_once_are_byte_exact(
    server: ScriptedServer, make: Callable[..., Downloader]
) -> None:
    downloader = make(connections=64)
    noise = random.Random(11)
    bodies = {key: noise.randbytes(noise.randrange(1, 400_000)) for key in range(64)}
    sinks = {key: Collected() for key in bodies}
    for key, body in bodies.items():
        server.scripts[f"/{key}"] = [answer(body)]
        downloader.start(Download(key, server.url(f"/{key}"), (), sinks[key], None))
    assert downloader.in_flight == 64
    ended: list[Downloaded] = []
    while downloader.in_flight:
        ended += downloader.wait(LONG)
    assert sorted(one.key for one in ended) == sorted(bodies)
    assert [one.error for one in ended] == [None] * 64
    for key, body in bodies.items():
        assert hashlib.sha256(sinks[key].data).digest() == hashlib.sha256(body).digest()


def test_connections_are_kept_for_the_next_files_and_bounded(
    server: ScriptedServer, make: Callable[..., Downloader]
) -> None:
    downloader = make(connections=4)
    server.scripts["/f"] = [answer(PICTURE)]
    for key in range(40):
        downloader.start(Download(key, server.url("/f"), (), Collected(), None))
    while downloader.in_flight:
        assert all(one.error is None for one in downloader.wait(LONG))
    assert len(server.requests) == 40
    assert server.connections <= 4


def test_trailers_are_no_second_answer() -> None:
    response = Response(Collected(), None)
    response.head(CHUNKED)
    response.body(PICTURE)
    response.head(head("HTTP/1.1 404 Not Found"))
    response.end()
    assert response.is_file
    assert not response.is_error


# Answers that are no file.


def test_zero_bytes_are_an_error(server: ScriptedServer, downloader: Downloader) -> None:
    server.scripts["/f"] = [answer(b"")]
    assert error_of(fetch(downloader, server.url("/f"))).code == "SRC_EMPTY"


@pytest.mark.parametrize(
    ("script", "params"),
    [
        ([SHORT_HEAD + PICTURE[:700], CUT], {"expected": 900, "received": 700}),
        ([SHORT_HEAD, CUT], {"expected": 900, "received": 0}),
        ([CHUNKED, chunk(PICTURE[:700]), CUT], {"received": 700}),
        ([CHUNKED, b"384\r\n" + PICTURE[:700], CUT], {"received": 700}),
        ([CHUNKED, chunk(PICTURE[:700]) + b"no chunk\r\n"], {"received": 700}),
    ],
    ids=["short", "head only", "between chunks", "in a chunk", "malformed chunk"],
)
def test_a_cut_body_is_an_error(
    server: ScriptedServer,
    downloader: Downloader,
    script: Script,
    params: dict[str, int],
) -> None:
    server.scripts["/f"] = script
    error = error_of(fetch(downloader, server.url("/f")))
    assert error.code == ("SRC_SHORT_BODY" if "expected" in params else "SRC_CUT")
    assert error.params == params


def test_a_small_body_that_is_cut_does_not_reach_the_sink(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [head("HTTP/1.1 200 OK", "Content-Length: 90") + PICTURE[:80], CUT]
    sink = Collected()
    assert error_of(fetch(downloader, server.url("/f"), sink)).code == "SRC_SHORT_BODY"
    assert sink.pieces == []


@pytest.mark.parametrize("framing", [["Content-Length: 50000"], []], ids=["length", "no length"])
def test_a_reset_in_the_middle_is_an_error(
    server: ScriptedServer, downloader: Downloader, framing: list[str]
) -> None:
    arrived = threading.Event()

    class Watched(Collected):
        def write(self, data: bytes) -> None:
            super().write(data)
            arrived.set()

    server.scripts["/f"] = [head("HTTP/1.1 200 OK", *framing) + PICTURE[:9999], arrived.wait, RESET]
    error = error_of(fetch(downloader, server.url("/f"), Watched()))
    assert error.code == ("SRC_SHORT_BODY" if framing else "SRC_CUT")
    assert error.params["received"] == 9999


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (PAGE, "Content-Type: text/html; charset=utf-8", "SRC_HTML"),
        (PAGE, "Content-Type: image/jpeg", "SRC_HTML"),
        (b"\xef\xbb\xbf \r\n<html>", "Content-Type: image/jpeg", "SRC_HTML"),
        (ENVELOPE, "Content-Type: application/json", "SRC_BUSINESS_ERROR"),
    ],
    ids=["declared page", "lying page", "tiny page", "envelope"],
)
@pytest.mark.parametrize("in_chunks", [False, True], ids=["one piece", "tiny pieces"])
def test_what_looks_like_no_file_is_an_error_with_status_200(
    server: ScriptedServer,
    downloader: Downloader,
    body: bytes,
    kind: str,
    code: str,
    *,
    in_chunks: bool,
) -> None:
    if in_chunks:  # libcurl hands over each chunk by itself
        pieces = [chunk(bytes([byte])) for byte in body]
        start = head("HTTP/1.1 200 OK", kind, "Transfer-Encoding: chunked")
        server.scripts["/f"] = [start, *pieces, b"0\r\n\r\n"]
    else:
        server.scripts["/f"] = [answer(body, "200 OK", kind)]
    sink = Collected()
    error = error_of(fetch(downloader, server.url("/f"), sink))
    assert error.code == code
    assert sink.pieces == []


def test_a_page_is_a_file_where_one_is_declared(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [answer(PAGE, "200 OK", "Content-Type: text/html")]
    sink = Collected()
    assert fetch(downloader, server.url("/f"), sink, suffix="html").error is None
    assert sink.data == PAGE


@pytest.mark.parametrize(
    "start",
    [
        ["Content-Encoding: gzip"],
        ["Content-Encoding: gzip", "Content-Encoding: identity"],
        [f"X-Padding: {'x' * 30_000}"] * 3,
    ],
    ids=["encoded", "encoded by two lines", "endless head"],
)
def test_a_head_that_breaks_the_contract_is_an_error(
    server: ScriptedServer, downloader: Downloader, start: list[str]
) -> None:
    server.scripts["/f"] = [answer(gzip.compress(PICTURE), "200 OK", *start)]
    sink = Collected()
    assert error_of(fetch(downloader, server.url("/f"), sink)).code == "SRC_BAD_ANSWER"
    assert sink.pieces == []
    assert "Accept-Encoding: identity" in server.requests[0][1]


@pytest.mark.parametrize(
    "start",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n"],
    ids=["no http", "no status", "no version"],
)
def test_an_answer_that_is_not_http_is_an_error(
    server: ScriptedServer, downloader: Downloader, start: bytes
) -> None:
    server.scripts["/f"] = [start, CUT]
    assert error_of(fetch(downloader, server.url("/f"))).code == "SRC_BAD_ANSWER"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("401 Unauthorized", "SRC_UNAUTHORIZED"),
        ("403 Forbidden", "SRC_FORBIDDEN"),
        ("404 Not Found", "SRC_NOT_FOUND"),
        ("429 Too Many Requests", "SRC_THROTTLED"),
        ("500 Internal Server Error", "SRC_SERVER_ERROR"),
        ("503 Service Unavailable", "SRC_SERVER_ERROR"),
        ("206 Partial Content", "SRC_BAD_STATUS"),
        ("302 Found", "SRC_BAD_STATUS"),
    ],
)
def test_a_status_that_is_not_200_is_an_error(
    server: ScriptedServer, downloader: Downloader, status: str, code: str
) -> None:
    server.scripts["/f"] = [answer(PICTURE[:2000], status)]
    sink = Collected()
    ended = fetch(downloader, server.url("/f"), sink)
    assert error_of(ended).code == code
    assert ended.status == int(status[:3])
    assert sink.pieces == []


def test_the_error_says_what_the_body_of_a_failure_says(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [answer(ENVELOPE, "500 Internal Server Error")]
    params = error_of(fetch(downloader, server.url("/f"))).params
    assert (params["errcode"], params["description"]) == ("1400", "no such file")


def test_retry_after_is_kept_in_seconds_and_as_a_date(
    server: ScriptedServer, downloader: Downloader
) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    server.scripts["/seconds"] = [answer(b"", "429 Too Many Requests", "Retry-After: 7")]
    server.scripts["/date"] = [answer(b"", "503 Service Unavailable", f"Retry-After: {later}")]
    assert error_of(fetch(downloader, server.url("/seconds"))).retry_after == 7
    wait = error_of(fetch(downloader, server.url("/date"))).retry_after
    assert wait is not None
    assert 0 < wait <= 600


def test_a_failure_that_is_cut_still_counts_by_its_status(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [head("HTTP/1.1 403 Forbidden", "Content-Length: 99") + b"no", CUT]
    assert error_of(fetch(downloader, server.url("/f"))).code == "SRC_FORBIDDEN"


def test_the_long_body_of_a_failure_is_not_read_to_its_end(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [answer(bytes(50_000_000), "404 Not Found")]
    ended = fetch(downloader, server.url("/f"))
    assert error_of(ended).code == "SRC_NOT_FOUND"
    assert ended.received < 5_000_000


def test_a_redirect_is_reported_and_not_followed(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [answer(b"moved", "302 Found", "Location: ../g?sign=a%2Fb")]
    ended = fetch(downloader, server.url("/f"))
    assert (ended.error, ended.redirect, ended.status) == (None, "../g?sign=a%2Fb", 302)
    assert len(server.requests) == 1


# What goes out.


def test_the_query_is_sent_as_it_is(server: ScriptedServer, downloader: Downloader) -> None:
    server.scripts["/a/../f"] = [answer(PICTURE)]
    target = "/a/../f?sign=a%2fb+c==&x=%e4%bd%a0&y=~!*'()|{}[]:@$,;&&z"
    assert fetch(downloader, server.url(target)).error is None
    assert server.requests[0][1].startswith(f"GET {target} HTTP/1.1\r\n")


def test_headers_go_with_their_own_download_only(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [answer(PICTURE)]
    fetch(downloader, server.url("/f"), headers=("Authorization: Bearer t0ken",))
    fetch(downloader, server.url("/f"))
    first, second = (request for _, request in server.requests)
    assert "\r\nAuthorization: Bearer t0ken\r\n" in first
    assert "t0ken" not in second


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("http://127.0.0.1/\x00", "A: b"),
        ("http://127.0.0.1/\ud800", "A: b"),
        ("http://127.0.0.1/", "A: b\r\nEvil: c"),
        ("http://[::bad/?sign=s3cret", "A: b"),
        ("file:///etc/passwd", "A: b"),
    ],
    ids=["NUL", "surrogate", "line break", "malformed", "not http"],
)
def test_an_address_or_header_that_cannot_be_sent_is_an_error(
    downloader: Downloader, url: str, header: str
) -> None:
    sink = Collected()
    error = error_of(fetch(downloader, url, sink, headers=(header,)))
    assert error.code == "SRC_BAD_ANSWER"
    assert "s3cret" not in str(error)
    assert sink.pieces == []


# Connections that fail.


@pytest.mark.faults
def test_a_stalled_body_times_out(server: ScriptedServer, make: Callable[..., Downloader]) -> None:
    server.scripts["/f"] = [head("HTTP/1.1 200 OK", "Content-Length: 9000") + PICTURE[:700], HOLD]
    error = error_of(fetch(make(stall_seconds=1), server.url("/f")))
    assert error.code == "SRC_TIMEOUT"
    assert error.params == {"seconds": 1}


def test_a_connection_that_is_not_accepted_times_out(make: Callable[..., Downloader]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address):  # fills the queue, so that the next one waits
            error = error_of(fetch(make(connect_timeout=0.2), f"http://127.0.0.1:{address[1]}/"))
    assert error.code == "SRC_TIMEOUT"
    assert error.params == {"seconds": 0.2}


def test_a_refused_connection_names_host_and_cause_only(downloader: Downloader) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = error_of(fetch(downloader, f"http://127.0.0.1:{port}/f?sign=s3cret"))
    assert error.code == "SRC_CONNECTION"
    assert "127.0.0.1" in str(error)
    assert "s3cret" not in str(error)


def test_an_unknown_host_is_a_connection_error(downloader: Downloader) -> None:
    error = error_of(fetch(downloader, "http://no-such-host.invalid/f?sign=s3cret"))
    assert error.code == "SRC_CONNECTION"
    assert "no-such-host.invalid" in str(error)
    assert "s3cret" not in str(error)


def test_a_connection_lost_before_the_answer_is_a_connection_error(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [CUT]
    assert error_of(fetch(downloader, server.url("/f"))).code == "SRC_CONNECTION"


def test_a_kept_connection_that_was_closed_is_opened_again(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [answer(PICTURE), CUT]
    for _ in range(3):
        assert fetch(downloader, server.url("/f")).error is None
        server.closed.get(timeout=LONG)
    assert server.connections == 3


def test_a_kept_connection_that_ends_without_an_answer_is_one_request_only(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts |= {"/f": [answer(PICTURE)], "/hangs-up": [CUT]}
    for key in range(4):  # so many are kept
        downloader.start(Download(key, server.url("/f"), (), Collected(), "jpg"))
    ended = []
    while downloader.in_flight:
        ended += downloader.wait(LONG)
    assert [one.error for one in ended] == [None] * 4
    error = error_of(fetch(downloader, server.url("/hangs-up")))
    assert (error.code, error.permanent) == ("SRC_CONNECTION", False)
    assert "returned nothing" in error.params["detail"]
    assert len([one for _, one in server.requests if "/hangs-up" in one]) == 1


def test_after_a_kept_connection_ended_without_an_answer_none_is_kept_for_a_while(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts |= {"/f": [answer(PICTURE)], "/hangs-up": [CUT]}
    fetch(downloader, server.url("/f"))
    fetch(downloader, server.url("/hangs-up"))
    before = {connection for connection, _ in server.requests}
    for _ in range(2):
        assert fetch(downloader, server.url("/f")).error is None
    latest = [connection for connection, _ in server.requests[-2:]]
    assert len({*latest} - before) == 2


@pytest.mark.parametrize(
    ("status", "code"), [("200 OK", "SRC_TOO_SLOW"), ("502 Bad Gateway", "SRC_SERVER_ERROR")]
)
def test_a_body_that_drips_is_ended(
    server: ScriptedServer, make: Callable[..., Downloader], status: str, code: str
) -> None:
    ended = threading.Event()
    drops = [step for byte in PICTURE[:600] for step in (lambda: ended.wait(0.02), bytes([byte]))]
    server.scripts["/f"] = [head(f"HTTP/1.1 {status}", "Content-Length: 9000"), *drops]
    error = error_of(fetch(make(stall_seconds=1), server.url("/f")))
    ended.set()
    assert (error.code, error.permanent) == (code, False)


def test_proxies_of_the_environment_are_ignored(
    server: ScriptedServer, downloader: Downloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.scripts["/f"] = [answer(PICTURE)]
    assert fetch(downloader, server.url("/f")).error is None


def test_a_proxy_of_the_options_is_used(
    server: ScriptedServer, make: Callable[..., Downloader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    server.scripts["http://source.invalid/f"] = [answer(PICTURE)]
    sink = Collected()
    ended = fetch(make(proxy=Proxy.parse(server.url(""))), "http://source.invalid/f", sink)
    assert ended.error is None
    assert sink.data == PICTURE


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ([answer(b"", "407 Proxy Authentication Required")], "SRC_PROXY"),
        ([answer(b"", "302 Found", "Location: http://elsewhere.invalid/"), CUT], "SRC_PROXY"),
        ([answer(b"", "503 Service Unavailable", "Retry-After: 7"), CUT], "SRC_PROXY"),
        ([CUT], "SRC_PROXY"),
        ([RESET], "SRC_PROXY"),
        ([b"no HTTP\r\n\r\n", CUT], "SRC_PROXY"),
        ([head("HTTP/1.1 200 Connection established"), CUT], "SRC_TLS"),
        ([head("HTTP/1.1 200 Connection established") + b"no TLS" * 100, CUT], "SRC_TLS"),
    ],
    ids=["407", "302", "503", "cut", "reset", "no HTTP", "cut tunnel", "no TLS"],
)
def test_what_a_proxy_says_is_not_taken_for_the_source(
    server: ScriptedServer, make: Callable[..., Downloader], refusal: Script, code: str
) -> None:
    server.scripts["source.invalid:443"] = refusal
    ended = fetch(make(proxy=Proxy.parse(server.url(""))), "https://source.invalid/f?sign=s3cret")
    error = error_of(ended)
    assert error.code == code
    assert "s3cret" not in str(error)
    assert (ended.status, ended.received) == (0, 0)


def test_a_certificate_is_verified(tmp_path: Path, make: Callable[..., Downloader]) -> None:
    certificate, context = _own_certificate(tmp_path)
    with closing(ScriptedServer(context)) as server:
        server.scripts["/f"] = [answer(PICTURE)]
        error = error_of(fetch(make(), server.url("/f?sign=s3cret")))
        assert error.code == "SRC_TLS"
        assert "unknown CA (" in str(error)
        assert "s3cret" not in str(error)
        assert server.requests == []
        assert server.connections == 1
        trusting = make(ca_file=str(certificate))
        for _ in range(5):
            assert fetch(trusting, server.url("/f")).error is None
        assert server.connections == 2


def _own_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scripted source")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


# Sinks, and the loop itself.


@pytest.mark.parametrize("size", [100, 300_000], ids=["at the end", "in the middle"])
def test_an_error_of_the_sink_ends_its_download_only(
    server: ScriptedServer, downloader: Downloader, size: int
) -> None:
    server.scripts["/f"] = [answer(PICTURE[:size])]
    full = SyncError("ARCHIVE_FULL")
    good = Collected()
    downloader.start(Download(1, server.url("/f"), (), Raising(full), None))
    downloader.start(Download(2, server.url("/f"), (), good, None))
    ended: dict[int, Downloaded] = {}
    while downloader.in_flight:
        ended |= {one.key: one for one in downloader.wait(LONG)}
    assert ended[1].error is full
    assert ended[2].error is None
    assert good.data == PICTURE[:size]


@pytest.mark.parametrize("size", [100, 300_000], ids=["at the end", "in the middle"])
def test_a_broken_sink_is_an_internal_error_and_is_logged(
    server: ScriptedServer, downloader: Downloader, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    server.scripts["/f"] = [answer(PICTURE[:size])]
    error = error_of(fetch(downloader, server.url("/f"), Raising(ZeroDivisionError("oops"))))
    assert error.code == "INTERNAL"
    assert error.params == {"detail": "ZeroDivisionError"}
    assert "oops" in caplog.text
    assert "in write" in caplog.text


def test_an_interrupt_in_a_sink_is_not_swallowed(
    server: ScriptedServer, downloader: Downloader
) -> None:
    class Interrupted(Collected):
        def write(self, data: bytes) -> None:
            raise KeyboardInterrupt

    server.scripts["/f"] = [answer(PICTURE)]
    with pytest.raises(KeyboardInterrupt):
        fetch(downloader, server.url("/f"), Interrupted())


def test_an_aborted_download_is_dropped_quietly(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/held"] = [head("HTTP/1.1 200 OK", "Content-Length: 9"), HOLD]
    server.scripts["/f"] = [answer(PICTURE)]
    downloader.start(Download(1, server.url("/held"), (), Collected(), None))
    while server.seen.empty():
        downloader.wait(0.01)
    downloader.abort(1)
    downloader.abort(1)
    assert server.gone.get(timeout=LONG) == "/held"
    assert downloader.in_flight == 0
    assert fetch(downloader, server.url("/f")).error is None


def test_an_aborted_download_that_could_not_start_is_not_reported(downloader: Downloader) -> None:
    downloader.start(Download(1, "http://127.0.0.1/\x00", (), Collected(), None))
    assert downloader.in_flight == 1
    downloader.abort(1)
    assert downloader.in_flight == 0
    assert downloader.wait(0) == []


def test_a_wait_ends_when_something_else_is_readable(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/held"] = [HOLD]
    downloader.start(Download(1, server.url("/held"), (), Collected(), None))
    reading, writing = os.pipe()
    with (
        open(reading, "rb") as pipe,
        open(writing, "wb", buffering=0) as other_end,
        downloader.watching([pipe, pipe]),
    ):
        assert downloader.wait(0) == []
        other_end.write(b"!")
        assert downloader.wait(LONG) == []
    assert downloader.in_flight == 1


def test_a_key_in_flight_cannot_be_started_again(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/held"] = [HOLD]
    downloader.start(Download(1, server.url("/held"), (), Collected(), None))
    with pytest.raises(ValueError, match="1 is already under way"):
        downloader.start(Download(1, server.url("/held"), (), Collected(), None))


def test_nothing_is_open_before_the_first_use_and_after_the_end(server: ScriptedServer) -> None:
    server.scripts["/f"] = [answer(PICTURE)]
    before = open_descriptors()
    downloader = Downloader(DownloadOptions())
    assert open_descriptors() == before
    assert fetch(downloader, server.url("/f")).error is None
    downloader.close()
    downloader.close()
    server.close()
    assert open_descriptors() <= before


def test_secrets_are_not_shown_by_repr() -> None:
    options = DownloadOptions(proxy=Proxy.parse("http://me:s3cret@proxy.invalid:3128"))
    download = Download(1, "http://a/?sign=s3cret", ("A: s3cret",), Collected(), None)
    assert "s3cret" not in repr(options) + repr(download)


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


# Bandwidth.


def test_a_bandwidth_cap_holds_back_and_loses_nothing(
    server: ScriptedServer, downloader: Downloader
) -> None:
    for name in ("/a", "/b", "/c"):
        server.scripts[name] = [answer(PICTURE)]
    downloader.set_bandwidth(2_000_000)
    sinks = {key: Collected() for key in (1, 2, 3)}
    for key, name in ((1, "/a"), (2, "/b"), (3, "/c")):
        downloader.start(Download(key, server.url(name), (), sinks[key], "jpg"))
    ended: list[Downloaded] = []
    while len(ended) < 3:
        ended += downloader.wait(LONG)
    assert [one.error for one in ended] == [None] * 3
    assert all(sink.data == PICTURE for sink in sinks.values())
    # Not a bound on speed: what the cap alone asks for, less one burst.
    assert max(one.seconds for one in ended) >= 3 * len(PICTURE) / 2_000_000 - 0.25 - 0.02


def test_a_cap_that_is_taken_away_lets_go_of_what_it_held(
    server: ScriptedServer, downloader: Downloader
) -> None:
    server.scripts["/f"] = [answer(PICTURE)]
    downloader.set_bandwidth(1)
    sink = Collected()
    downloader.start(Download(1, server.url("/f"), (), sink, "jpg"))
    while not sink.data:
        assert downloader.wait(0.01) == []
    downloader.set_bandwidth(None)
    (ended,) = downloader.wait(LONG)
    assert (ended.error, sink.data) == (None, PICTURE)
