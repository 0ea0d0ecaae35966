"""One control call: a question sent, an envelope's data read back, every failure a SyncError.

No exception of ``requests`` leaves this module, and no URL gets into an error: its query may hold
the token.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urljoin

import requests
import urllib3

from portal.errors import SyncError
from portal.outbound.head_in_time import ANSWER_TIMEOUTS
from portal.sync.answers import business_error, looks_like_html, one_line, status_error
from portal.sync.lookup import at, nested
from portal.sync.proxy import refusal
from portal.sync.sources.connection import Connection
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.targets import Address
from portal.sync.sources.transport_errors import transport_error

#: Bytes of an answer's body, decoded, beyond which it is refused.
ANSWER_LIMIT = 64 * 1024 * 1024
#: Elements and members of an answer beyond which it is refused before it is parsed: sixty kilobytes
#: of packed ``[],[],`` would else become a gigabyte and more in memory.
VALUES_LIMIT = 2_000_000
_ERROR_BODY_BYTES = 4096
_PIECE = 256 * 1024
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask for: ``fields`` by name, which in a JSON body may be a dotted path.

    A GET carries them in its query, empty lists left out.

    Times are seconds: for the connection, for every wait for bytes, and for the whole of it.

    :param token: passed on as the profile says; None for the token call itself
    """

    path: str
    fields: Mapping[str, Any]
    token: str | None
    method: Literal["POST", "GET"]
    connect_timeout: float
    read_timeout: float
    whole_timeout: float

    @classmethod
    def for_token(cls, connection: Connection, fields: Mapping[str, Any]) -> Call:
        """The token call, which a document's lease must outlast."""
        connect = min(connection.connect_timeout, connection.token_connect_timeout)
        read = min(connection.read_timeout, connection.token_read_timeout)
        path = connection.profile.paths.token
        return cls(path, fields, None, "POST", connect, read, connect + read)

    @classmethod
    def for_query(
        cls, connection: Connection, path: str, fields: Mapping[str, Any], token: str
    ) -> Call:
        """A count or a page."""
        read = connection.read_timeout
        method = connection.profile.query_method
        whole = read * ANSWER_TIMEOUTS
        return cls(path, fields, token, method, connection.connect_timeout, read, whole)


def perform(
    session: requests.Session, connection: Connection, call: Call, now: datetime
) -> dict[str, Any]:
    """Send what ``call`` says and return the data of the envelope that comes back.

    Redirects are not followed, so the token stays where it is sent.

    :param now: what a Retry-After date is measured from
    :raises SyncError: any ``SRC_`` code of a call that did not succeed
    """
    headers, query = _passing(call, connection.profile)
    if call.method == "GET":
        query |= {name: value for name, value in call.fields.items() if value != []}
    started = time.monotonic()
    response: requests.Response | None = None
    try:
        with session.request(
            call.method,
            connection.url(call.path),
            headers=headers,
            params=query,
            json=nested(call.fields) if call.method == "POST" else None,
            timeout=(call.connect_timeout, call.read_timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            content = _body(response, connection, call, started, now)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        timeouts = (call.connect_timeout, call.read_timeout)
        answered = response is not None
        raise transport_error(error, connection, timeouts, answered=answered) from None
    return _data(content, response.headers.get("Content-Type", ""), connection.profile)


def _passing(call: Call, profile: ConnectorProfile) -> tuple[dict[str, str], dict[str, Any]]:
    """How the token goes along: headers, query."""
    if call.token is None:
        return {}, {}
    if profile.token_passing == "header":  # noqa: S105 - a way
        return {"Authorization": f"Bearer {call.token}"}, {}
    return {}, {profile.token_parameter: call.token}


def _body(
    response: requests.Response, connection: Connection, call: Call, started: float, now: datetime
) -> bytes:
    """The whole body of a status 200; any other status is an error."""
    status = response.status_code
    until = started + call.whole_timeout
    if status == 200:
        content = _read(response, ANSWER_LIMIT + 1, until, call)
        if len(content) > ANSWER_LIMIT:
            raise SyncError("SRC_BAD_ANSWER", detail=f"more than {ANSWER_LIMIT} bytes")
        return content
    if connection.proxy is not None and connection.base.scheme == "http":
        refused = refusal(status, response.headers)
        if refused is not None:
            raise SyncError("SRC_PROXY", detail=f"{connection.proxy.address}: {refused}")
    if 300 <= status <= 399:
        raise SyncError("SRC_BAD_ANSWER", detail=_redirect(response, connection))
    head = _read(response, _ERROR_BODY_BYTES, until, call)
    raise status_error(status, response.headers, head, now, connection.profile.envelope)


def _read(response: requests.Response, limit: int, until: float, call: Call) -> bytes:
    """The body up to ``limit`` bytes; read piece by piece, so that a drip cannot hold us."""
    content = bytearray()
    while piece := response.raw.read1(min(_PIECE, limit - len(content)), decode_content=True):
        content += piece
        if len(content) >= limit:
            break
        if time.monotonic() > until:
            raise SyncError("SRC_TIMEOUT", seconds=f"{call.whole_timeout:g}")
    return bytes(content)


def _redirect(response: requests.Response, connection: Connection) -> str:
    """Names the status and the host it points at; the rest of a Location may hold the token."""
    try:
        location = urljoin(connection.base_url, response.headers.get("Location", ""))
        where = one_line(Address.parse(location).host, 80)
    except ValueError:
        where = "an invalid address"
    return f"HTTP {response.status_code}, a redirect to {where}"


def _data(content: bytes, content_type: str, profile: ConnectorProfile) -> dict[str, Any]:
    # Some of these may stand in texts: it is a bound, and no count.
    if sum(map(content.count, (b",", b"[", b"{"))) > VALUES_LIMIT:
        raise SyncError("SRC_BAD_ANSWER", detail=f"more than {VALUES_LIMIT} values")
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        if looks_like_html(content_type, content):
            raise SyncError("SRC_HTML") from None
        raise SyncError("SRC_BAD_ANSWER", detail="not JSON") from None
    names = profile.envelope
    if not isinstance(answer, dict):
        raise SyncError("SRC_BAD_ANSWER", detail=f"no {names.errcode or 'object'}")
    if names.errcode:
        errcode = at(answer, names.errcode, _ABSENT)
        if errcode is _ABSENT:
            raise SyncError("SRC_BAD_ANSWER", detail=f"no {names.errcode}")
        if one_line(errcode, 40) != profile.success_errcode:
            description = at(answer, names.description) if names.description else None
            raise business_error(errcode, description)
    data = at(answer, names.data) if names.data else answer
    if not isinstance(data, dict):
        raise SyncError("SRC_BAD_ANSWER", detail=f"no {names.data}")
    return data
