"""One download on one libcurl handle: what is asked of libcurl, and what its end means.

What an answer means is judged by :mod:`portal.sync.response`; here libcurl's own failures become
errors of the catalogue, with nothing of the URL's query or the token in them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pycurl
from certifi import where as public_roots

from portal.errors import SyncError
from portal.sync.answers import CONTRACT
from portal.sync.crawling import Slow
from portal.sync.curl_failures import CurlFailure, forbidden
from portal.sync.curl_sockets import JudgedSockets
from portal.sync.proxy import Proxy, refusal
from portal.sync.response import Response, Sink
from portal.sync.sources.profile_fields import EnvelopeFields
from portal.sync.throttle.bandwidth import ByteBudget

logger = logging.getLogger(__name__)

#: Codes that on a kept connection mean that something was left on it by the answer before.
_UNCLEAN_CODES = frozenset({pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_FTP_WEIRD_SERVER_REPLY})
#: CURLOPT_SUPPRESS_CONNECT_HEADERS, which pycurl takes and has no name for.
_SUPPRESS_CONNECT_HEADERS = 265


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """How one data source is reached; durations in seconds.

    :param stall_seconds: how long no byte may come; libcurl looks at the speed of the last
        seconds, so that a stall in the middle of a body is seen up to five seconds later. It is
        also the span over which a speed may be too low (see :mod:`portal.sync.crawling`)
    :param proxy: the only proxy used; those of the environment are ignored
    :param ca_file: the roots to trust instead of the public ones
    :param envelope: what the source calls the parts of an envelope, which is never a file
    :param connections: open at most; downloads beyond that wait for one
    :param buffer_bytes: read from a socket at once; libcurl hands over 16 KiB at a time
    """

    connect_timeout: float = 10.0
    stall_seconds: int = 30
    proxy: Proxy | None = None
    ca_file: str | None = None
    envelope: EnvelopeFields = CONTRACT
    connections: int = 32
    buffer_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Download:
    """What to fetch.

    :param key: the caller's own name for it
    :param headers: request headers as ``Name: value``
    :param suffix: the declared one; a page of HTML is a file only where HTML was declared
    """

    key: int
    url: str = field(repr=False)
    headers: tuple[str, ...] = field(repr=False)
    sink: Sink
    suffix: str | None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """How a download ended: with neither ``error`` nor ``redirect`` the sink has all of it.

    :param redirect: the Location of a 3xx as it was sent; the caller decides whether to follow
    :param status: 0 when no answer came
    :param received: bytes of the body, those of an error's body too
    :param seconds: since it was started
    :param first_byte: seconds until the answer began, where one came
    :param framed: whether HTTP itself said where the body ends; when not, only a declared size
        or digest can show that nothing is missing
    """

    key: int
    error: SyncError | None
    redirect: str | None
    status: int
    received: int
    seconds: float
    framed: bool = True
    first_byte: float | None = None


def _new_handle(options: DownloadOptions) -> pycurl.Curl:
    """A libcurl handle with everything that stays the same from download to download."""
    handle = pycurl.Curl()
    roots = options.ca_file or public_roots()
    for option, value in (
        (pycurl.NOSIGNAL, 1),
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
        (pycurl.FOLLOWLOCATION, 0),
        (pycurl.PATH_AS_IS, 1),
        (pycurl.SSL_VERIFYPEER, 1),
        (pycurl.SSL_VERIFYHOST, 2),
        # The same roots as for the control calls; libcurl's own default is its builder's path.
        (pycurl.CAINFO, roots),
        (pycurl.PROXY_CAINFO, roots),
        # Empty, not unset: unset means those of the environment.
        (pycurl.PROXY, options.proxy.url if options.proxy is not None else ""),
        (pycurl.NOPROXY, ""),
        # A proxy that connects us is told nothing that is meant for the source.
        (pycurl.HEADEROPT, pycurl.HEADER_SEPARATE),
        # What a proxy answers to CONNECT is not the source's answer.
        (_SUPPRESS_CONNECT_HEADERS, 1),
        (pycurl.CONNECTTIMEOUT_MS, int(options.connect_timeout * 1000)),
        (pycurl.LOW_SPEED_LIMIT, 1),
        (pycurl.LOW_SPEED_TIME, options.stall_seconds),
        (pycurl.BUFFERSIZE, options.buffer_bytes),
    ):
        handle.setopt(option, value)
    return handle


class CurlTransfer:
    """One libcurl handle and the download under way on it; the next one may begin when it ended.

    Idle ones are kept: to set up a handle takes as long as many a download.

    :param before_request: libcurl's question before a request, see :class:`KeptConnections`
    """

    def __init__(
        self,
        options: DownloadOptions,
        *,
        budget: ByteBudget,
        before_request: Callable[[str, str, int, int], int],
    ) -> None:
        self.handle = _new_handle(options)
        self._options = options
        self._budget = budget
        self._before_request = before_request
        self._sockets = JudgedSockets()
        self._head: list[bytes] = []
        self._headers: tuple[str, ...] | None = None
        self.handle.setopt(pycurl.OPENSOCKETFUNCTION, self._sockets)
        self.handle.setopt(pycurl.PREREQFUNCTION, self._on_request)
        self.handle.setopt(pycurl.HEADERFUNCTION, self._head.append)
        self.handle.setopt(pycurl.WRITEFUNCTION, self._on_body)

    def begin(self, download: Download, *, fresh: bool) -> None:
        """Get ready for a download.

        :param fresh: open a new connection for it
        :raises ValueError: if the address or a header cannot be sent as it is
        :raises pycurl.error: the same, found by libcurl
        """
        self.key = download.key
        self.is_paused = False
        self.paused_at = 0.0
        self._download = download
        self._response = Response(download.sink, download.suffix, self._options.envelope)
        self._failure: Exception | None = None
        self._is_sent = False
        self._is_repeated = False
        self._started = time.monotonic()
        self._sockets.refused = ""
        self._head.clear()
        # A space cannot be sent; everything else of the query goes out as it is.
        self.handle.setopt(pycurl.URL, download.url.replace(" ", "%20").encode())
        self.handle.setopt(pycurl.FRESH_CONNECT, int(fresh))
        if download.headers != self._headers:
            self._set_headers(download.headers)

    def _set_headers(self, headers: tuple[str, ...]) -> None:
        self._headers = None
        lines = [header.encode() for header in headers]
        if any(character in line for line in lines for character in b"\r\n\0"):
            raise ValueError("a control character in a request header")
        self.handle.setopt(pycurl.HTTPHEADER, [b"Accept-Encoding: identity", *lines])
        self._headers = headers

    def _on_request(self, *addresses: Any) -> int:
        """Let one request out: libcurl would repeat it by itself, up to five times, on kept
        connections that end without an answer, and each would be a fetch that nobody counts."""
        if self._is_sent:
            return int(pycurl.PREREQFUNC_ABORT)
        answer = self._before_request(*addresses)
        self._is_sent = answer == pycurl.PREREQFUNC_OK
        return answer

    # An exception does not get through libcurl: it is kept, and a wrong count ends the transfer.

    def _hear_head(self) -> None:
        """Have the response judge what came of the head: with the first of the body, or at the
        end. libcurl hands it over line by line, and allows 300 KiB."""
        lines = b"".join(self._head)
        self._head.clear()
        self._response.head(lines)

    def _on_body(self, data: bytes) -> int | None:
        if self._budget.is_limited:
            if self._budget.wait_seconds():
                self.is_paused = True
                self.paused_at = time.monotonic()
                return int(pycurl.WRITEFUNC_PAUSE)  # libcurl keeps the piece and gives it again
            self._budget.spend(len(data))
        try:
            if self._head:
                self._hear_head()
            self._response.body(data)
        except Exception as failure:
            self._failure = failure
            return -1
        return None

    def go_on(self) -> None:
        """Receive again what was held back by the budget."""
        self.is_paused = False
        self.handle.pause(pycurl.PAUSE_CONT)

    def repeat_if_unclean(self, code: int) -> bool:
        """Get ready to ask once more, on a new connection, if a kept one was not clean.

        What went wrong then is another download's doing. Never once a body has begun: the sink
        would get it twice. The callback that aborts is :meth:`KeptConnections.before_request`.
        """
        is_unclean = (code == pycurl.E_ABORTED_BY_CALLBACK and not self._is_sent) or (
            code in _UNCLEAN_CODES and self.handle.getinfo(pycurl.NUM_CONNECTS) == 0
        )
        if self._is_repeated or self._response.received or not is_unclean:
            return False
        self._is_repeated = True
        self._is_sent = False
        self._head.clear()
        download = self._download
        self._response = Response(download.sink, download.suffix, self._options.envelope)
        self.handle.setopt(pycurl.FRESH_CONNECT, 1)
        return True

    @property
    def received(self) -> int:
        """Bytes of the body so far, whatever the answer is."""
        return self._response.received

    def given_up(self, slow: Slow) -> Downloaded:
        """How the download ended that we end because it is too slow."""
        seconds = round(slow.seconds)
        self._failure = SyncError("SRC_TOO_SLOW", received=slow.received, seconds=seconds)
        return self.outcome(pycurl.E_ABORTED_BY_CALLBACK, "")

    def outcome(self, code: int, message: str) -> Downloaded:
        """How the download ended, given libcurl's code (0 is well) and its message."""
        response = self._response
        try:
            self._hear_head()
        except Exception as failure:
            self._failure = self._failure or failure
        return Downloaded(
            key=self.key,
            error=self._error(code, message),
            redirect=response.redirect if response.is_error else None,
            status=response.status,
            received=response.received,
            seconds=time.monotonic() - self._started,
            framed=response.is_framed,
            first_byte=self.handle.getinfo(pycurl.STARTTRANSFER_TIME) if response.status else None,
        )

    def _error(self, code: int, message: str) -> SyncError | None:
        response = self._response
        if response.is_error:
            # The status explains more than how its body ended.
            return None if response.redirect else self._status_error()
        if code == pycurl.E_OK:
            try:
                response.end()
            except Exception as failure:
                self._failure = failure
        if self._failure is not None:
            return self._reported(self._failure)
        return None if code == pycurl.E_OK else self._curl_error(code, message)

    def _status_error(self) -> SyncError:
        response, proxy = self._response, self._options.proxy
        if proxy is not None and self._download.url.startswith("http:"):
            refused = refusal(response.status, response.headers)
            if refused is not None:
                return SyncError("SRC_PROXY", detail=f"{proxy.address}: {refused}")
        return response.status_error(datetime.now(UTC))

    def _reported(self, failure: Exception) -> SyncError:
        if isinstance(failure, SyncError):
            return failure
        logger.error("download %d ended by a programming error", self.key, exc_info=failure)
        return SyncError("INTERNAL", detail=type(failure).__name__)

    def _curl_error(self, code: int, message: str) -> SyncError:
        response, options = self._response, self._options
        if code == pycurl.E_ABORTED_BY_CALLBACK:
            code = pycurl.E_GOT_NOTHING  # which libcurl would have tried once more
        if code == pycurl.E_COULDNT_CONNECT and self._sockets.refused:
            peer = options.proxy.address if options.proxy else self._download.url
            return forbidden(peer, self._sockets.refused)
        failure = CurlFailure(
            code,
            message,
            url=self._download.url,
            connect_code=self.handle.getinfo(pycurl.HTTP_CONNECTCODE),
            is_kept=self.handle.getinfo(pycurl.NUM_CONNECTS) == 0,
        )
        if options.proxy is not None and not response.is_file:
            error = failure.proxy_error(options.proxy)
            if error is not None:
                return error
        if code == pycurl.E_OPERATION_TIMEDOUT:
            seconds = options.stall_seconds if failure.is_stall else options.connect_timeout
            return SyncError("SRC_TIMEOUT", seconds=round(seconds, 3))
        if response.is_file:
            received, expected = response.received, response.expected
            if expected is None:
                return SyncError("SRC_CUT", received=received)
            return SyncError("SRC_SHORT_BODY", expected=expected, received=received)
        return failure.source_error()
