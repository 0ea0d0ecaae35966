"""How one try of a file or call can go wrong, down to the bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from tests.faults.fault_server import Behaviour, Exchange, well
from tests.faults.wire import chunk, head

PAGE = "<!DOCTYPE html><html><title>登录</title>".encode() + b"<p>sign in</p>" * 90 + b"</html>"
SCRIPT_PAGE = b"<script>location = '/login'</script>" + b" " * 600
#: So deep that a reader which follows every level falls.
_DEEP = 100_000


# Answers with another status.


def status(line: str, *headers: str, body: bytes = b"") -> Behaviour:
    """A status such as ``503 Service Unavailable``."""

    def answer(exchange: Exchange) -> bool:
        exchange.send(head(line, *headers, f"Content-Length: {len(body)}") + body)
        return True

    return answer


def bare(line: str, *headers: str) -> Behaviour:
    """A status that has no body at all, such as 204."""

    def answer(exchange: Exchange) -> bool:
        exchange.send(head(line, *headers))
        return True

    return answer


def later(seconds: float) -> Behaviour:
    """429 with a Retry-After that is a date."""

    def answer(exchange: Exchange) -> bool:
        when = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        return status("429 Too Many Requests", f"Retry-After: {when}")(exchange)

    return answer


def redirect(where: str | Callable[[Exchange], str], line: str = "302 Found") -> Behaviour:
    def answer(exchange: Exchange) -> bool:
        location = where if isinstance(where, str) else where(exchange)
        return status(line, f"Location: {location}")(exchange)

    return answer


def after_interim(times: int = 1) -> Behaviour:
    """A good answer behind interim ones."""

    def answer(exchange: Exchange) -> bool:
        exchange.send(head("103 Early Hints", "Link: </style.css>") * times)
        return well(exchange)

    return answer


# Answers with status 200 that are not the file.


def instead(body: bytes, content_type: str = "application/octet-stream") -> Behaviour:
    """Other bytes, with everything HTTP wants."""

    def answer(exchange: Exchange) -> bool:
        lines = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
        exchange.send(head("200 OK", *lines) + body)
        return True

    return answer


def html(before: bytes = b"", content_type: str = "application/octet-stream") -> Behaviour:
    return instead(before + PAGE, content_type)


def refusal(errcode: str = "5001", description: str = "系统繁忙") -> Behaviour:
    """HTTP 200 with an envelope that says it failed."""
    envelope = {"errcode": errcode, "description": description, "data": None, "traceId": "t"}
    return instead(json.dumps(envelope).encode(), "application/json")


def changed(change: Callable[[bytes], bytes]) -> Behaviour:
    """The good body with something done to it; lengths fit."""

    def answer(exchange: Exchange) -> bool:
        return instead(change(exchange.good), exchange.content_type)(exchange)

    return answer


def flipped(body: bytes) -> bytes:
    """As long, but one byte near the end differs."""
    return body[:-40] + bytes([body[-40] ^ 1]) + body[-39:]


def zero_padded(body: bytes) -> bytes:
    """As long, but the second half is zeros."""
    return body[: len(body) // 2].ljust(len(body), b"\0")


def gzipped(exchange: Exchange) -> bool:
    body = gzip.compress(exchange.good)
    lines = ("Content-Encoding: gzip", f"Content-Length: {len(body)}")
    exchange.send(head("200 OK", *lines) + body)
    return True


def surplus(more: bytes) -> Behaviour:
    """The good answer, and bytes behind its end."""

    def answer(exchange: Exchange) -> bool:
        body = exchange.good
        exchange.send(head("200 OK", f"Content-Length: {len(body)}") + body + more)
        return True

    return answer


# Answers that end before their end.


def cut(share: float = 0.5, *, reset: bool = False) -> Behaviour:
    """A body that is shorter than its Content-Length; with 0 it is cut behind its head."""

    def answer(exchange: Exchange) -> bool:
        body = exchange.good
        exchange.send(head("200 OK", f"Content-Length: {len(body)}"))
        exchange.send(body[: int(len(body) * share)])
        if reset:
            exchange.peer.reset()
        return False

    return answer


def cut_chunks(exchange: Exchange) -> bool:
    exchange.send(head("200 OK", "Transfer-Encoding: chunked"))
    exchange.send(chunk(exchange.good[: len(exchange.good) // 2]))
    return False


def unframed(share: float = 1.0) -> Behaviour:
    """HTTP/1.0 without a length: where it ends is told by the end of the connection alone."""

    def answer(exchange: Exchange) -> bool:
        exchange.send(head("200 OK", version="HTTP/1.0"))
        exchange.send(exchange.good[: int(len(exchange.good) * share)])
        return False

    return answer


def hang_up(exchange: Exchange) -> bool:
    """No answer at all."""
    return False


def reset_at_once(exchange: Exchange) -> bool:
    exchange.peer.reset()
    return False


def cut_in_head(exchange: Exchange) -> bool:
    exchange.send(head("200 OK", "Content-Length: 999")[:25])
    return False


def garbage(exchange: Exchange) -> bool:
    """Not HTTP."""
    exchange.send(b"\x16\x03\x01\x00\xa5 this is no HTTP at all\r\n\r\n")
    return False


# Answers that do not come on.


def stall_before_head(exchange: Exchange) -> bool:
    exchange.peer.stall()
    return False


def stall_in_body(exchange: Exchange) -> bool:
    body = exchange.good
    exchange.send(head("200 OK", f"Content-Length: {len(body)}") + body[: len(body) // 2])
    exchange.peer.stall()
    return False


def drip_body(pause: float = 0.4) -> Behaviour:
    """A few bytes a second, so that a file would take hours."""

    def answer(exchange: Exchange) -> bool:
        exchange.send(head("200 OK", f"Content-Length: {len(exchange.good)}"))
        exchange.peer.drip(exchange.good, pause)
        return False

    return answer


def drip_head(pause: float = 0.4) -> Behaviour:
    def answer(exchange: Exchange) -> bool:
        exchange.peer.drip(head("200 OK", "X-Padding: " + "x" * 30_000), pause)
        return False

    return answer


# Listings and counts that make no sense.


def told(**changes: Any) -> Behaviour:
    """The good ``data`` with some of its fields replaced."""
    return data_changed(lambda data: data | changes)


def data_changed(change: Callable[[dict[str, Any]], object]) -> Behaviour:
    def answer(exchange: Exchange) -> bool:
        envelope = json.loads(exchange.good)
        envelope["data"] = change(envelope["data"])
        return instead(json.dumps(envelope).encode(), "application/json")(exchange)

    return answer


def deep_json(exchange: Exchange) -> bool:
    return instead(b'{"errcode":' + b"[" * _DEEP, "application/json")(exchange)
