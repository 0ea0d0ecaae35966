"""What a source's HTTP answer means when it is not the data that was asked for.

Pure: knows HTTP and the catalogue of errors, but no HTTP client. Shared by the control calls and
the downloads (source contract, last paragraph).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from portal.errors import SyncError
from portal.sync.lookup import at
from portal.sync.sources.profile_fields import EnvelopeFields

#: Longest wait that a source's Retry-After is believed, in seconds.
MAX_RETRY_AFTER = 3600.0

#: The envelope of the source contract.
CONTRACT = EnvelopeFields()

_HEAD_BYTES = 4096
_DESCRIPTION_LENGTH = 200
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARKS = tuple(mark for mark, _ in _BOMS)
#: Goes through spaces only, so that files are told apart fast.
_FIRST_VISIBLE = re.compile(rb"\s*+(\S)")
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_HTML_SUFFIXES = frozenset({"html", "htm", "xhtml"})
_HTML_START = re.compile(
    r"(?>\s*(?:<(?:!--.*?--|\?xml\b.*?\?)>\s*)*)<(?:!doctype\s+html|html|head|script)\b",
    re.I | re.S,
)
_SECONDS = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_KEY_END = re.compile(r"\s*:\s*")
_VALUE_END = re.compile(r"\s*,\s*")
_ABSENT = object()
#: For a class of a regular expression, characters that belong in no text to be shown: controls,
#: what turns the direction of writing (a name then looks like another), halves of characters.
CONTROLS = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNPRINTABLE = re.compile(rf"[{CONTROLS}\s]+")
_BY_STATUS = {
    401: "SRC_UNAUTHORIZED",
    403: "SRC_FORBIDDEN",
    404: "SRC_NOT_FOUND",
    408: "SRC_SERVER_ERROR",
    410: "SRC_NOT_FOUND",
    429: "SRC_THROTTLED",
}


def status_error(
    status: int,
    headers: Mapping[str, str],
    body_head: bytes,
    now: datetime,
    envelope: EnvelopeFields = CONTRACT,
) -> SyncError:
    """The error that an HTTP status other than success means.

    :param headers: names in any case
    :param body_head: the first bytes of the body; the ``errcode`` and ``description`` of a JSON
        envelope there are kept with the error
    :param now: aware; what a Retry-After date is measured from
    :param envelope: what the source calls them
    """
    params: dict[str, Any] = {"status": status, **_explanation(body_head, envelope)}
    default = "SRC_SERVER_ERROR" if 500 <= status <= 599 else "SRC_BAD_STATUS"
    error = SyncError(_BY_STATUS.get(status, default), **params)
    if not error.permanent:
        error.retry_after = _retry_after(headers, now)
    return error


def success_error(
    content_type: str,
    body_head: bytes,
    suffix: str | None,
    envelope: EnvelopeFields = CONTRACT,
) -> SyncError | None:
    """Why the body of a status 200 cannot be the file that was asked for, or None.

    Recognises an HTML page (``SRC_HTML``), unless the file is declared as one, and a JSON envelope
    with an ``errcode``, whichever it is (``SRC_BUSINESS_ERROR``).

    :param body_head: the first bytes of the body, some hundred at least when it has them
    :param suffix: the declared suffix, in any case, with or without its dot
    :param envelope: what the source calls the parts of an envelope
    """
    is_declared_html = (suffix or "").lower().lstrip(".") in _HTML_SUFFIXES
    if not is_declared_html and looks_like_html(content_type, body_head):
        return SyncError("SRC_HTML")
    explanation = _explanation(body_head, envelope)
    return SyncError("SRC_BUSINESS_ERROR", **explanation) if explanation else None


def looks_like_html(content_type: str, body_head: bytes) -> bool:
    """Whether an answer says that it is an HTML page, or starts like one."""
    if content_type.partition(";")[0].strip().lower() in _HTML_TYPES:
        return True
    text = _text(body_head, "<")
    return text is not None and _HTML_START.match(text) is not None


def one_line(value: object, limit: int) -> str:
    """A JSON value as one printable line of ``limit`` characters at most, fit to be shown."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "…"
    text = _UNPRINTABLE.sub(" ", text[: limit * 4]).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def business_error(errcode: object, description: object) -> SyncError:
    """The failure that an envelope reports in its ``errcode`` and ``description``."""
    return SyncError(
        "SRC_BUSINESS_ERROR",
        errcode=one_line(errcode, 40),
        description=one_line(description or "", _DESCRIPTION_LENGTH),
    )


def _explanation(body_head: bytes, envelope: EnvelopeFields) -> dict[str, Any]:
    """``errcode`` and ``description`` of a JSON envelope; empty if the body is none."""
    text = _text(body_head, "{")
    fields = _leading_fields(text) if text else {}
    errcode = at(fields, envelope.errcode, _ABSENT) if envelope.errcode else _ABSENT
    if errcode is _ABSENT:
        return {}
    return business_error(errcode, at(fields, envelope.description)).params


def _text(body_head: bytes, first: str) -> str | None:
    """The head as text if its first visible character is ``first``."""
    if not body_head.startswith(_MARKS):
        visible = _FIRST_VISIBLE.match(body_head, 0, _HEAD_BYTES)
        if visible is None or visible[1] != first.encode():
            return None
    head, encoding = body_head[:_HEAD_BYTES], "utf-8"
    for mark, name in _BOMS:
        if head.startswith(mark):
            head, encoding = head[len(mark) :], name
    text = head.decode(encoding, "replace").lstrip()
    return text if text.startswith(first) else None


def _leading_fields(text: str) -> dict[str, object]:
    """The members of a JSON object that are whole within ``text``, which may be cut anywhere."""
    decoder = json.JSONDecoder()
    fields: dict[str, object] = {}
    position = len(text) - len(text[1:].lstrip())
    try:
        while True:
            key, position = decoder.raw_decode(text, position)
            colon = _KEY_END.match(text, position)
            if not isinstance(key, str) or colon is None:
                return fields
            fields[key], position = decoder.raw_decode(text, colon.end())
            comma = _VALUE_END.match(text, position)
            if comma is None:
                return fields
            position = comma.end()
    except (ValueError, RecursionError):
        return fields  # the cut, the end, or no JSON after all


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by Retry-After (RFC 9110 section 10.2.3), within 0 and the maximum."""
    value = next((v for name, v in headers.items() if name.lower() == "retry-after"), "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), MAX_RETRY_AFTER)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)  # HTTP dates are GMT
    return min(max((when - now).total_seconds(), 0.0), MAX_RETRY_AFTER)
