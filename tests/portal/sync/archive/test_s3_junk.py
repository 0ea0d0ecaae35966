"""A server that answers with junk: an error of the archive, in bounded memory and time."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from portal.errors import SyncError
from portal.sync.archive.s3.bucket import Bucket
from portal.sync.archive.s3.client import Body, S3Client
from portal.sync.archive.s3.credentials import CredentialChain
from tests.portal.sync.archive.stores import KEYS, QUICK, s3_place

_CODES = {"ARCHIVE_REFUSED", "ARCHIVE_UNREACHABLE"}


class Server(ThreadingHTTPServer):
    """Answers everything alike; each answer is bytes from the status line on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Callable[[int], Iterator[bytes]] = lambda _: iter(())
        self.asked = 0


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def handle_one_request(self) -> None:
        self.close_connection = True
        if not self.raw_requestline_read():
            return
        self.server.asked += 1
        with suppress(OSError):
            for piece in self.server.answer(self.server.asked):
                self.wfile.write(piece)

    def raw_requestline_read(self) -> bool:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            return False
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return True


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bucket(server: Server) -> Bucket:
    place = s3_place("bucket", prefix="p", endpoint=address(server))
    chain = CredentialChain(KEYS, region=place.region)
    wire = replace(QUICK.wire, whole=0.5)
    return Bucket(S3Client(place, chain, replace(QUICK, tries=1, wire=wire)), "p")


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def ok(body: bytes | str, *, length: str = "", headers: str = "") -> Iterator[bytes]:
    data = body.encode() if isinstance(body, str) else body
    yield f"HTTP/1.1 200 OK\r\nContent-Length: {length or len(data)}\r\n{headers}\r\n".encode()
    yield data


def entry(size: object = 1, key: str = "p/a") -> str:
    return f"<Contents><Key>{key}</Key><Size>{size}</Size></Contents>"


def page(*entries: str, after: str = "") -> str:
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{after}</NextContinuationToken>"
    return f"<ListBucketResult>{''.join(entries)}{more if after else ''}</ListBucketResult>"


JUNK = {
    "a size in words": page(entry("many")),
    "no size": page("<Contents><Key>p/a</Key></Contents>"),
    "a negative size": page(entry(-1)),
    "a size of digits without end": page(entry("9" * 5000)),
    "a size in other digits": page(entry("１２")),
    "a key without end": page(entry(1, "p/" + "x" * 2000)),
    "a key without end that is encoded": page(
        "<EncodingType>url</EncodingType>", entry(1, "p/" + "%E5%BD%B1" * 400)
    ),
    "a mark without end": page(entry(), after="x" * 100_000),
    "the same mark again and again": page(entry(), after="on"),
    "no XML": "junk",
    "nothing": "",
    "XML that ends early": "<ListBucketResult><Contents>",
    "a document type": f'<!DOCTYPE a [<!ENTITY b "c">]>{page(entry())}',
    "elements without end": f"<a>{'<b/>' * 1_000_000}</a>",
    "nesting without end": "<a>" * 1_000_000,
    "attributes without end": "<a {}/>".format(" ".join(f'b{n}=""' for n in range(500_000))),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_a_list_of_junk_is_refused(server: Server, bucket: Bucket, junk: str) -> None:
    server.answer = lambda _: ok(junk)
    tracemalloc.start()
    try:
        error = _error_of(lambda: list(islice(bucket.listed(), 50)))
        # The answer itself, a copy of it, and what is made of it.
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()
    assert error is not None
    assert error.code == "ARCHIVE_REFUSED"
    with suppress(SyncError):  # some of it is a list of no uploads
        assert not list(islice(bucket.uploads(), 50))


def test_pages_that_lead_nowhere_come_to_an_end(server: Server, bucket: Bucket) -> None:
    """Ever new marks, and nothing of ours on any page."""
    foreign = entry(1, "q/of-somebody-else")
    server.answer = lambda number: ok(page(foreign, after=f"mark-{number}"))
    with pytest.raises(SyncError) as error:
        list(bucket.listed())
    assert error.value.code == "ARCHIVE_REFUSED"


def test_pages_that_hold_nothing_of_ours_are_passed_over(server: Server, bucket: Bucket) -> None:
    pages = [page(entry(1, "q/x"), after="1"), page(after="2"), page(entry(7, "p/a"))]
    server.answer = lambda number: ok(pages[number - 1])
    assert list(bucket.listed()) == [("a", 7)]


def test_an_upload_id_or_mark_without_end_is_not_sent_back(server: Server, bucket: Bucket) -> None:
    server.answer = lambda _: ok(f"<R><UploadId>{'x' * 100_000}</UploadId></R>")
    with pytest.raises(SyncError, match="ARCHIVE_REFUSED"):
        bucket.begin("a", {})
    server.answer = lambda _: ok(
        "<R><IsTruncated>true</IsTruncated><NextKeyMarker>p/a</NextKeyMarker></R>"
    )
    with pytest.raises(SyncError, match="ARCHIVE_REFUSED"):
        list(bucket.uploads())


@pytest.mark.parametrize(
    "length", ["9" * 30, "9" * 5000, "-1", "many", "0x10", "18446744073709551616"]
)
def test_an_absurd_length_is_no_size(server: Server, bucket: Bucket, length: str) -> None:
    server.answer = lambda _: ok(b"abc", length=length)
    told: list[int | None] = []
    error = _error_of(lambda: told.append(bucket.read("a", lambda _: None)))
    assert error.code in _CODES if error else told == [None]
    with pytest.raises(SyncError) as refusal:
        list(bucket.listed())
    assert refusal.value.code in _CODES


@pytest.mark.parametrize("said", ["bytes 0-2/" + "9" * 5000, "bytes 0-2/many", "bytes", "x" * 5000])
def test_an_absurd_range_is_no_size(server: Server, bucket: Bucket, said: str) -> None:
    def answer(_: int) -> Iterator[bytes]:
        head = f"HTTP/1.1 206 Partial\r\nContent-Length: 3\r\nContent-Range: {said}\r\n\r\n"
        yield head.encode() + b"abc"

    server.answer = answer
    assert bucket.read("a", lambda _: None, end=3) is None


@pytest.mark.parametrize("heading", ["", "Transfer-Encoding: chunked\r\n"])
def test_an_answer_without_end_is_not_read_to_it(
    server: Server, bucket: Bucket, heading: str
) -> None:
    sent = 0

    def endless(_: int) -> Iterator[bytes]:
        nonlocal sent
        yield f"HTTP/1.1 200 OK\r\n{heading}Connection: close\r\n\r\n".encode()
        piece = b"<a/>" * 16384
        while sent < 1 << 30:
            sent += len(piece)
            yield b"%x\r\n%s\r\n" % (len(piece), piece) if heading else piece

    server.answer = endless
    with pytest.raises(SyncError) as error:
        list(bucket.listed())
    assert error.value.code == "ARCHIVE_UNREACHABLE"
    assert sent < 64 << 20


def test_an_answer_that_drips_is_ended(server: Server, bucket: Bucket) -> None:
    """Every byte comes before the connection counts as stalled."""
    over = threading.Event()

    def drip(_: int) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        while not over.wait(0.05):
            yield b" "

    server.answer = drip
    try:
        with pytest.raises(SyncError) as error:
            list(bucket.listed())
    finally:
        over.set()
    assert error.value.code == "ARCHIVE_UNREACHABLE"


@pytest.mark.parametrize("status", ["200 OK", "204", "404 Not Found", "500 Oops", "999 x"])
@pytest.mark.parametrize("body", ["", "junk", "<a>" * 300_000, "<Error><Code>" + "x" * 100_000])
def test_junk_about_an_object_has_a_code(
    server: Server, bucket: Bucket, status: str, body: str
) -> None:
    def answer(_: int) -> Iterator[bytes]:
        yield f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    server.answer = answer
    nothing = Body(b"", "0" * 64)
    for ask in (
        lambda: bucket.begin("a", {}),
        lambda: bucket.complete("a", "u", ["e"]),
        lambda: bucket.put("a", nothing, md5="", metadata={}),
        lambda: bucket.remove("a"),
        lambda: bucket.abort("a", "u"),
        lambda: bucket.read("a", lambda _: None),
    ):
        error = _error_of(ask)
        if error is not None:
            assert error.code.startswith("ARCHIVE_")
            assert len(error.params.get("detail", "")) < 200


def _error_of(ask: Callable[[], object]) -> SyncError | None:
    try:
        ask()
    except SyncError as error:
        return error
    return None
