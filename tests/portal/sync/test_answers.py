from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.errors import SyncError
from portal.sync.answers import MAX_RETRY_AFTER, one_line, status_error, success_error
from portal.sync.sources.profile_fields import EnvelopeFields

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [
        (401, "SRC_UNAUTHORIZED", False),
        (403, "SRC_FORBIDDEN", True),
        (404, "SRC_NOT_FOUND", True),
        (408, "SRC_SERVER_ERROR", False),
        (410, "SRC_NOT_FOUND", True),
        (429, "SRC_THROTTLED", False),
        (500, "SRC_SERVER_ERROR", False),
        (599, "SRC_SERVER_ERROR", False),
        (206, "SRC_BAD_STATUS", True),
        (302, "SRC_BAD_STATUS", True),
        (418, "SRC_BAD_STATUS", True),
    ],
)
def test_status(status: int, code: str, permanent: bool) -> None:
    error = status_error(status, {}, b"", NOW)
    assert (error.code, error.permanent, error.retry_after) == (code, permanent, None)
    assert error.params["status"] == status


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("86400", MAX_RETRY_AFTER),
        ("9" * 5000, MAX_RETRY_AFTER),
        ("Sun, 22 Nov 2026 08:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 08:00:30 -0000", 30.0),
        ("Sun, 22 Nov 2026 07:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2099 07:00:00 GMT", MAX_RETRY_AFTER),
        ("-5", None),
        ("soon", None),
        ("٣", None),
        ("Sun, 99 Nov 2026 08:00:30 GMT", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(status: int, value: str, seconds: float | None) -> None:
    assert status_error(status, {"rEtRy-aFtEr": value}, b"", NOW).retry_after == seconds


def test_retry_after_means_nothing_for_what_will_not_be_retried() -> None:
    assert status_error(404, {"Retry-After": "5"}, b"", NOW).retry_after is None


def test_what_the_body_explains_is_kept() -> None:
    body = '{"errcode": 5001, "description": "服务\\u0000忙\\ud800", "data": {"cut'.encode()
    params = status_error(500, {}, body, NOW).params
    assert params == {"status": 500, "errcode": "5001", "description": "服务 忙"}


def code(error: SyncError | None) -> str | None:
    return error.code if error else None


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html>",
        b"<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>",
        b"\xef\xbb\xbf \r\n\t<html lang='zh'>",
        b"<HTML",
        b"<!-- gateway --> <!-- 5 --><html>",
        b"<?xml version='1.0'?>\n<!-- 5 --><!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0//EN'>",
        b"<script>location = '/login'</script>",
        b"<head><title>sign in</title>",
        "\ufeff<html>".encode("utf-16-le"),
        "\ufeff<html>".encode("utf-16-be"),
    ],
)
def test_html_page_is_no_file(body: bytes) -> None:
    assert code(success_error("application/octet-stream", body, "jpg")) == "SRC_HTML"
    assert success_error("", body, ".HTML") is None


def test_content_type_alone_makes_a_page() -> None:
    assert code(success_error("Text/HTML; charset=gbk", b"\xff\xd8", "jpg")) == "SRC_HTML"
    assert code(success_error("text/html", b"\xff\xd8", None)) == "SRC_HTML"
    assert success_error("text/html", b"<p>", "htm") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xd8\xff\xe0",
        b"%PDF-1.7",
        b"<",
        b"<?xml version='1.0'?><Invoice/>",
        b"<htmlish/>",
        b"<header/>",
        b"<?xml version='1.0'?><!-- html --><Invoice/>",
        b"<!--",
        b"<!--a-->" * 600,
        b"{",
        b"{}",
        b"{[]}",
        b'{"invoice": {"errcode": "1"}}',
        b'{"a" "errcode": 1}',
        b'[{"errcode": "1"}]',
        b'{"a":' * 3000,
        b"\xef\xbb\xbfplain text",
    ],
)
def test_other_bodies_may_be_files(body: bytes) -> None:
    assert success_error("application/octet-stream", body, "xml") is None


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b'{"errcode":"1105","description":"no such file","data":null}', "1105"),
        (b' \n{"data": null, "errcode": 7}', "7"),
        (b'\xef\xbb\xbf{"errcode":"0000","data":{"base64":"' + b"A" * 9000, "0000"),
        (b'{"errcode":' + b"[" * 500 + b"]" * 500 + b"}", "[" * 39 + "…"),
    ],
)
def test_envelope_is_no_file(body: bytes, errcode: str) -> None:
    error = success_error("application/json", body, "json")
    assert error is not None
    assert (error.code, error.params["errcode"]) == ("SRC_BUSINESS_ERROR", errcode)


def test_one_line() -> None:
    assert one_line(" a\x00\n\u2028b\ud800 ", 10) == "a b"
    assert one_line("影" * 100, 5) == "影影影影…"
    assert one_line({"a": True}, 20) == '{"a": true}'


def test_an_envelope_of_other_words_is_no_file_either() -> None:
    names = EnvelopeFields(errcode="status.code", description="status.text")
    body = b'{"status": {"code": 503, "text": "busy"}, "result": null}'
    error = success_error("text/plain", body, "txt", names)
    assert error is not None
    assert error.params == {"errcode": "503", "description": "busy"}
    assert success_error("text/plain", body, "txt") is None
    assert success_error("text/plain", ENVELOPE_OF_THE_CONTRACT, "txt", names) is None
    without = EnvelopeFields(errcode="")
    assert success_error("text/plain", ENVELOPE_OF_THE_CONTRACT, "txt", without) is None


ENVELOPE_OF_THE_CONTRACT = b'{"errcode": "1400"}'
