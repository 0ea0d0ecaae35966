"""One control call: JSON posted, an envelope's ``data`` read back, every failure a SyncError.

No exception of ``requests`` leaves this module, and no URL gets into an error: its query may hold
the token.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3

from portal.errors import SyncError
from portal.sync.answers import business_error, looks_like_html, one_line, status_error
from portal.sync.sources.connection import Connection
from portal.sync.sources.head_in_time import ANSWER_TIMEOUTS
from portal.sync.sources.targets import Address

#: Bytes of an answer's body, decoded, beyond which it is refused.
ANSWER_LIMIT = 64 * 1024 * 1024
_ERROR_BODY_BYTES = 4096
_PIECE = 256 * 1024


def post(
    session: requests.Session,
    connection: Connection,
    path: str,
    body: Mapping[str, object],
    *,
    token: str | None,
    now: datetime,
) -> dict[str, Any]:
    """Post ``body`` and return the ``data`` of the envelope that comes back.

    Redirects are not followed, so the token stays where it is sent.

    :param token: passed on as the profile says; None for the token call itself
    :param now: what a Retry-After date is measured from
    :raises SyncError: any ``SRC_`` code of a call that did not succeed
    """
    passing: dict[str, Any] = {}
    if token is not None and connection.profile.token_passing == "header":  # noqa: S105 - a way
        passing["headers"] = {"Authorization": f"Bearer {token}"}
    elif token is not None:
        passing["params"] = {connection.profile.token_parameter: token}
    try:
        with session.post(
            connection.url(path),
            json=body,
            timeout=(connection.connect_timeout, connection.read_timeout),
            allow_redirects=False,
            stream=True,
            **passing,
        ) as response:
            content = _body(response, connection, now)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _transport_error(error, connection) from None
    content_type = response.headers.get("Content-Type", "")
    return _data(content, content_type, connection.profile.success_errcode)


def _body(response: requests.Response, connection: Connection, now: datetime) -> bytes:
    """The whole body of a status 200; any other status is an error."""
    seconds = connection.read_timeout * ANSWER_TIMEOUTS
    if response.status_code == 200:
        content = _read(response, ANSWER_LIMIT + 1, seconds)
        if len(content) > ANSWER_LIMIT:
            raise SyncError("SRC_BAD_ANSWER", detail=f"more than {ANSWER_LIMIT} bytes")
        return content
    if 300 <= response.status_code <= 399:
        raise SyncError("SRC_BAD_ANSWER", detail=_redirect(response, connection))
    head = _read(response, _ERROR_BODY_BYTES, seconds)
    raise status_error(response.status_code, response.headers, head, now)


def _read(response: requests.Response, limit: int, seconds: float) -> bytes:
    """The body up to ``limit`` bytes; read piece by piece, so that a drip cannot hold us."""
    until = time.monotonic() + seconds
    content = bytearray()
    while piece := response.raw.read1(min(_PIECE, limit - len(content)), decode_content=True):
        content += piece
        if len(content) >= limit:
            break
        if time.monotonic() > until:
            raise SyncError("SRC_TIMEOUT", seconds=f"{seconds:g}")
    return bytes(content)


def _redirect(response: requests.Response, connection: Connection) -> str:
    """Names the status and the host it points at; the rest of a Location may hold the token."""
    try:
        location = urljoin(connection.base_url, response.headers.get("Location", ""))
        where = one_line(Address.parse(location).host, 80)
    except ValueError:
        where = "an invalid address"
    return f"HTTP {response.status_code}, a redirect to {where}"


def _data(content: bytes, content_type: str, success: str) -> dict[str, Any]:
    try:
        envelope = json.loads(content)
    except (ValueError, RecursionError):
        if looks_like_html(content_type, content):
            raise SyncError("SRC_HTML") from None
        raise SyncError("SRC_BAD_ANSWER", detail="not JSON") from None
    if not isinstance(envelope, dict) or "errcode" not in envelope:
        raise SyncError("SRC_BAD_ANSWER", detail="no errcode")
    if one_line(envelope["errcode"], 40) != success:
        raise business_error(envelope["errcode"], envelope.get("description"))
    if not isinstance(envelope.get("data"), dict):
        raise SyncError("SRC_BAD_ANSWER", detail="no data")
    data: dict[str, Any] = envelope["data"]
    return data


def _transport_error(error: Exception, connection: Connection) -> SyncError:
    if isinstance(error, requests.ConnectTimeout):
        return SyncError("SRC_TIMEOUT", seconds=f"{connection.connect_timeout:g}")
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return SyncError("SRC_TIMEOUT", seconds=f"{connection.read_timeout:g}")
    if isinstance(error, urllib3.exceptions.DecodeError):
        return SyncError("SRC_BAD_ANSWER", detail="Content-Encoding")
    host = f"{connection.base.host}:{connection.base.port}"
    return SyncError("SRC_CONNECTION", detail=f"{host}: {one_line(_cause(error), 80)}")


def _cause(error: BaseException) -> str:
    """The innermost reason; never the text of the outer errors, which holds the URL."""
    name = type(error).__name__
    for link in _chain(error):
        name = type(link).__name__
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"TLS: {link.verify_message}"
        if isinstance(link, ssl.SSLError):
            return f"TLS: {link.reason}"
        if isinstance(link, socket.gaierror):
            return f"DNS: {link.strerror}"
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
    return name


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
