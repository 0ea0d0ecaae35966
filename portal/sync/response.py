"""What one download's answer turns out to be, judged while it arrives.

Knows HTTP but no HTTP client: whoever fetches feeds the head and body pieces in order. Only
the body of a status 200 that looks like a file reaches the sink (source contract, last
paragraph); of anything else the first bytes are kept to explain the error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from portal.errors import SyncError
from portal.sync.answers import CONTRACT, one_line, status_error, success_error
from portal.sync.sources.profile_fields import EnvelopeFields

#: Bytes of a body held back until it is clear that they are a file and no error page, whose
#: comment or description may be long; and of an error's body kept to explain it.
_EXPLAINING_BYTES = 4096
#: An error's body is read to its end up to here, so that its connection can serve the next file.
_ERROR_BODY_LIMIT = 64 * 1024
_HEADER_LIMIT = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FIELD = re.compile(r"^([^:\n]*):([^\n]*)", re.M)
_STATUS = re.compile(rb"HTTP/[\d.]+ +(\d{3})(?!\d)")
_BLANK_LINE = re.compile(rb"(?:^|\n)\s*?\n")
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)


class Sink(Protocol):
    """Where the body of one download goes; called in order, in the loop's thread."""

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        :raises SyncError: to abort the download with that error (too many bytes, disk full …)
        """


class LongBodyError(Exception):
    """An error's body goes on and on; what was read of it explains the error."""


class Response:
    """One answer as it arrives; what :meth:`head` and :meth:`body` raise ends it early."""

    def __init__(self, sink: Sink, suffix: str | None, envelope: EnvelopeFields = CONTRACT) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.received = 0
        self._sink = sink
        self._suffix = suffix
        self._envelope = envelope
        self._head_ended = False
        self._held = b""
        self._take: Callable[[bytes], None] = self._explain

    @property
    def is_file(self) -> bool:
        """Whether the head of a status 200 arrived, so that what follows is a file's body."""
        return self._head_ended and self.status == 200

    @property
    def is_error(self) -> bool:
        """Whether the head of any other final status arrived."""
        return self._head_ended and self.status >= 200 and self.status != 200

    @property
    def redirect(self) -> str | None:
        """The ``Location`` of a redirect, as it was sent (it may be relative)."""
        return self.headers.get("location") if self.status in _REDIRECTS else None

    @property
    def expected(self) -> int | None:
        """The body's length if the head tells it."""
        length = self.headers.get("content-length", "")
        return int(length) if _LENGTH.fullmatch(length) and not self._is_chunked else None

    @property
    def is_framed(self) -> bool:
        """Whether HTTP itself shows where the body ends, so that a cut cannot pass unseen."""
        return self._is_chunked or self.expected is not None

    @property
    def _is_chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    def head(self, lines: bytes) -> None:
        """Take all of the head, or what came of it, line ends included.

        The last status line counts: an interim answer (1xx) came before it. Lines after a body
        has begun are trailers, which nobody asked for.

        :raises SyncError: ``SRC_BAD_ANSWER`` when the head is too long or none, or the body is
            encoded
        """
        if self.received:
            return
        if len(lines) > _HEADER_LIMIT:
            raise SyncError("SRC_BAD_ANSWER", detail=f"head over {_HEADER_LIMIT} bytes")
        last = lines[lines.rfind(b"\nHTTP/") + 1 :]
        end = _BLANK_LINE.search(last)
        if end is not None:
            self._end_head(last[: end.start()])

    def _end_head(self, head: bytes) -> None:
        status = _STATUS.match(head)
        if status is None:
            raise SyncError("SRC_BAD_ANSWER", detail="no HTTP status")
        self.status = int(status[1])
        self.headers = _headers(head.partition(b"\n")[2])
        self._head_ended = True
        self._take = self._judge if self.status == 200 else self._explain
        encoding = self.headers.get("content-encoding", "identity")
        if self.status == 200 and encoding.lower() != "identity":
            # Its digest and size would not be the file's, and nobody asked for it.
            raise SyncError("SRC_BAD_ANSWER", detail=f"Content-Encoding {one_line(encoding, 40)}")

    def body(self, data: bytes) -> None:
        """Take the next piece of the body.

        :raises SyncError: when this cannot be the file, or from the sink
        :raises LongBodyError: when the body of an error need not be read to its end
        """
        self.received += len(data)
        self._take(data)

    def _explain(self, data: bytes) -> None:
        self._held += data[: _EXPLAINING_BYTES - len(self._held)]
        if self.received > _ERROR_BODY_LIMIT:
            raise LongBodyError

    def _judge(self, data: bytes) -> None:
        self._held += data
        if len(self._held) >= _EXPLAINING_BYTES:
            self._release()

    def _release(self) -> None:
        """Hand what was held back to the sink, which gets all the rest directly."""
        content_type = self.headers.get("content-type", "")
        head = self._held[:_EXPLAINING_BYTES]
        error = success_error(content_type, head, self._suffix, self._envelope)
        if error is not None:
            raise error
        held, self._held = self._held, b""
        self._take = self._sink.write
        self._take(held)

    def end(self) -> None:
        """Take note that a file's body is whole.

        :raises SyncError: when it is empty, cannot be the file, or from the sink
        """
        if self.received == 0:
            raise SyncError("SRC_EMPTY")
        if self._held:
            self._release()

    def status_error(self, now: datetime) -> SyncError:
        """The error that a status other than 200 means."""
        return status_error(self.status, self.headers, self._held, now, self._envelope)


def _headers(lines: bytes) -> dict[str, str]:
    """Header values by lower-case name; repeated ones joined as RFC 9110 section 5.3 allows."""
    headers: dict[str, str] = {}
    for name, value in _FIELD.findall(lines.decode("utf-8", "replace")):
        key, text = name.strip().lower(), value.strip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
