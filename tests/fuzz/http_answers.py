"""What a source answers in HTTP: heads as they arrive, bodies that explain, how long to wait."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from portal.errors import SyncError
from portal.sync.answers import MAX_RETRY_AFTER, looks_like_html, status_error, success_error
from portal.sync.response import LongBodyError, Response
from tests.fuzz.bending import as_json, bent_bytes, bent_texts, bent_values
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser
from tests.fuzz.promises import assert_shown, assert_stored

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
HEADS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 12\r\n\r\n%PDF-1.4 abc",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nbody",
    b"HTTP/1.1 302 Found\r\nLocation: /elsewhere?a=b\r\nContent-Length: 0\r\n\r\n",
    b'HTTP/1.1 429 Too Many\r\nRetry-After: 120\r\nX: a\r\nX: b\r\n folded\r\n\r\n{"errcode": 1}',
    b"HTTP/2 503 \r\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n<html>",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
]
WAITS = [
    "120", "0", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "Wednesday, 21-Oct-26 07:28:00 GMT",
    "Wed Oct 21 07:28:00 2026", "21 Oct 2026 07:28:00 +0800", "Wed, 21 Oct 9999 23:59:59 -2359",
    "Wed, 21 Oct 0001 00:00:00 +2359", "9" * 30,
]  # fmt: skip
BODIES = [
    b'{"errcode": "1101", "description": "no", "data": null}', b"<!DOCTYPE html><html><body>",
    b'\xef\xbb\xbf {"errcode": 1, "x": [1, 2', b"<?xml version='1.0'?><!-- a --><html>",
    '{"errcode": "拒绝"}'.encode("utf-16"), b"<!--" * 200 + b"-->" * 200, b"%PDF-1.4\n1 0 obj",
    b'{"description":"' + b"\\u4e00" * 500,
]  # fmt: skip


class _Kept:
    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)


def _head(case: tuple[bytes, int]) -> bool:
    """The head, then the body in pieces, as libcurl hands them over."""
    raw, piece = case
    sink, lines, head = _Kept(), raw.split(b"\n"), b""
    response = Response(sink, "pdf")
    try:
        while lines:
            line = lines.pop(0) + b"\n"
            head += line
            if not line.strip() and not (lines and lines[0].startswith(b"HTTP/")):
                break
        response.head(head)
        assert response.expected is None or response.expected >= 0
        assert isinstance(response.redirect, str | None)
        body = b"\n".join(lines)
        for start in range(0, len(body), piece):
            response.body(body[start : start + piece])
        if response.is_error:
            _assert_named(response.status_error(NOW))
            return REFUSED
        response.end()
    except SyncError as error:
        _assert_named(error)
        return REFUSED
    except LongBodyError:
        return REFUSED
    assert sink.size <= response.received
    return ACCEPTED


def _wait(text: str) -> bool:
    error = status_error(429, {"Retry-AFTER": text}, b"", NOW)
    _assert_named(error)
    return REFUSED if error.retry_after is None else ACCEPTED


def _body(case: tuple[int, bytes, str]) -> bool:
    status, body, content_type = case
    _assert_named(status_error(status, {"content-type": content_type}, body, NOW))
    assert isinstance(looks_like_html(content_type, body), bool)
    error = success_error(content_type, body, "pdf")
    if error is None:
        return ACCEPTED
    _assert_named(error)
    return REFUSED


def _assert_named(error: SyncError) -> None:
    assert error.code.startswith("SRC_")
    assert_stored(error.params)
    for value in error.params.values():
        assert_shown(str(value), 400)
    assert error.retry_after is None or 0 <= error.retry_after <= MAX_RETRY_AFTER


_envelopes = as_json(bent_values([{"errcode": "1", "description": "a"}, {"data": {}}]))
_types = st.sampled_from(["application/json", "text/html; charset=x", "", "TEXT/HTML", "a\x00b"])
PARSERS = (
    Parser("HTTP head", st.tuples(bent_bytes(HEADS), st.integers(1, 5000)), _head),
    Parser("Retry-After", bent_texts(WAITS), _wait),
    Parser(
        "explaining body",
        st.tuples(st.integers(100, 999), bent_bytes(BODIES) | _envelopes, _types),
        _body,
    ),
)
