"""One HTTP exchange with the S3 server on a kept libcurl handle; knows nothing of S3."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pycurl
from certifi import where as public_roots

from portal.sync.curl_sockets import JudgedSockets

Sink = Callable[[bytes], None]
#: The most that is kept of an answer's body which no sink takes: lists have at most 1,000 entries.
_MOST_KEPT = 8 << 20
_BUFFER = 256 * 1024


class Unreached(Exception):
    """No whole answer came; ``detail`` names the cause and nothing of the request."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class WireOptions:
    """Patience, in seconds.

    :param stall: how long no byte may move in either direction
    :param whole: how long a request may take that carries no file in either direction
    """

    connect: float = 5.0
    stall: int = 15
    whole: float = 600.0


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of a file to be sent; read again for every try."""

    path: Path
    start: int
    length: int

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file at the stretch's beginning."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            yield file


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; names of headers in lower case.

    :ivar body: empty when a sink took it
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and where the body of its answer goes.

    :ivar sink: takes the body of a 200 or 206 instead of the answer; what it raises comes through
    :ivar patience: seconds without a byte, where an answer takes longer than usual
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: Slice | bytes | None = None
    sink: Sink | None = None
    patience: int = 0

    @property
    def is_long(self) -> bool:
        """Whether a file goes along, which takes as long as it takes."""
        return self.sink is not None or isinstance(self.body, Slice)


@dataclass(slots=True)
class _Receiving:
    """The parts of an answer as they come."""

    sink: Sink | None
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    body: io.BytesIO = field(default_factory=io.BytesIO)
    failure: Exception | None = None

    def header(self, line: bytes) -> None:
        text = line.decode("latin-1").strip()
        if text.startswith("HTTP/"):
            self.headers.clear()
            self.status = int(text.split()[1])
        elif ":" in text:
            name, _, value = text.partition(":")
            self.headers[name.strip().lower()] = value.strip()

    def take(self, data: bytes) -> int | None:
        # An exception does not get through libcurl: it is kept, and a wrong count ends it.
        try:
            if self.sink is not None and self.status in (200, 206):
                self.sink(data)
            elif self.body.tell() + len(data) <= _MOST_KEPT:
                self.body.write(data)
            else:
                raise Unreached("the answer is too long")
        except Exception as failure:
            self.failure = failure
            return -1
        return None


class Wire:
    """Connections to one server, kept between exchanges; for any thread.

    Opened when first used, and never shared with a process that was forked from this one.
    """

    def __init__(self, *, ca_file: str | None, options: WireOptions) -> None:
        self._roots = ca_file or public_roots()
        self._options = options
        self._lock = threading.Lock()
        self._idle: list[pycurl.Curl] = []
        self._process = os.getpid()

    def exchange(self, wanted: Exchange) -> Answer:
        """Send one request and receive its answer.

        :raises Unreached: when there is no whole answer
        """
        with contextlib.ExitStack() as stack:
            handle = stack.enter_context(self._handle())
            receiving = _Receiving(wanted.sink)
            self._prepare(handle, wanted, receiving)
            sockets = JudgedSockets()
            handle.setopt(pycurl.OPENSOCKETFUNCTION, sockets)
            body = wanted.body
            if body is not None:
                length = len(body) if isinstance(body, bytes) else body.length
                opened = io.BytesIO(body) if isinstance(body, bytes) else body.opened()
                _send(handle, stack.enter_context(opened), length)
            try:
                handle.perform()
            except pycurl.error as error:
                if receiving.failure is not None:
                    raise receiving.failure from None
                if error.args[0] == pycurl.E_COULDNT_CONNECT and sockets.refused:
                    raise Unreached(f"connections to {sockets.refused} are forbidden") from None
                if not _is_refusal(error, receiving):
                    raise Unreached(_detail(error)) from None
            return Answer(receiving.status, receiving.headers, receiving.body.getvalue())

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for handle in idle:
            handle.close()

    @contextlib.contextmanager
    def _handle(self) -> Iterator[pycurl.Curl]:
        with self._lock:
            if self._process != os.getpid():  # these connections are our parent's
                self._process, self._idle = os.getpid(), []
            handle = self._idle.pop() if self._idle else pycurl.Curl()
        try:
            yield handle
        finally:
            handle.reset()  # connections stay; nothing of the request does
            with self._lock:
                self._idle.append(handle)

    def _prepare(self, handle: pycurl.Curl, wanted: Exchange, receiving: _Receiving) -> None:
        lines = [f"{name}: {value}" for name, value in wanted.headers.items()]
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.URL, wanted.url.encode()),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.PATH_AS_IS, 1),
            (pycurl.SSL_VERIFYPEER, 1),
            (pycurl.SSL_VERIFYHOST, 2),
            (pycurl.CAINFO, self._roots),
            # Empty, not unset: unset means those of the environment.
            (pycurl.PROXY, ""),
            (pycurl.NOPROXY, ""),
            (pycurl.CONNECTTIMEOUT_MS, int(self._options.connect * 1000)),
            (pycurl.LOW_SPEED_LIMIT, 1),
            (pycurl.LOW_SPEED_TIME, max(self._options.stall, wanted.patience)),
            (pycurl.TIMEOUT_MS, 0 if wanted.is_long else int(self._options.whole * 1000)),
            (pycurl.BUFFERSIZE, _BUFFER),
            (pycurl.HTTPHEADER, [line.encode() for line in ("Expect:", "Accept:", *lines)]),
            (pycurl.HEADERFUNCTION, receiving.header),
            (pycurl.WRITEFUNCTION, receiving.take),
        ):
            handle.setopt(option, value)
        handle.setopt(pycurl.CUSTOMREQUEST, wanted.method)


def _send(handle: pycurl.Curl, file: BinaryIO, length: int) -> None:
    start, left = file.tell(), length

    def read(most: int) -> bytes:
        nonlocal left
        data = file.read(min(most, left))
        left -= len(data)
        return data

    def seek(offset: int, _origin: int) -> int:
        """libcurl begins anew when a kept connection turns out to be dead."""
        nonlocal left
        file.seek(start + offset)
        left = length - offset
        return int(pycurl.SEEKFUNC_OK)

    handle.setopt(pycurl.UPLOAD, 1)
    handle.setopt(pycurl.UPLOAD_BUFFERSIZE, _BUFFER)
    handle.setopt(pycurl.INFILESIZE_LARGE, length)
    handle.setopt(pycurl.READFUNCTION, read)
    handle.setopt(pycurl.SEEKFUNCTION, seek)


def _is_refusal(error: pycurl.error, receiving: _Receiving) -> bool:
    """Whether the server refused a body before it had all of it, and hung up: that is an answer."""
    return error.args[0] == pycurl.E_SEND_ERROR and receiving.status >= 300


def _detail(error: pycurl.error) -> str:
    code = error.args[0]
    if code == pycurl.E_SSL_CACERT_BADFILE:
        return "the file of the private CA cannot be read"
    return str(pycurl.easy_strerror(code))
