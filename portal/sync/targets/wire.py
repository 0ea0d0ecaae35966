"""One call of the flagship's API: a POST sent, its JSON read back, every failure a SyncError.

No exception of ``requests`` leaves this module, and no URL gets into an error: its query holds the
token. Redirects are not followed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import requests
import urllib3

from portal.errors import SyncError
from portal.outbound.head_in_time import ANSWER_TIMEOUTS
from portal.sync.answers import status_error
from portal.sync.sources.connection import Connection
from portal.sync.sources.session import prepare
from portal.sync.sources.transport_errors import transport_error
from portal.sync.targets.bodies import Base64Body
from portal.sync.targets.connection import FlagshipConnection
from portal.sync.targets.envelope import TokenStale, read_json

#: Bytes of an answer beyond which it is refused; none of the calls has a long one.
ANSWER_LIMIT = 1024 * 1024
_PIECE = 64 * 1024
_CODES = {"SRC_CONNECTION": "TGT_CONNECTION", "SRC_TLS": "TGT_TLS"}
#: HTTP statuses that speak of what was sent; any other speaks of the target.
_OF_THE_DOCUMENT = frozenset({400, 409, 413, 415, 422})


class Wire:
    """The connections to one flagship system; any number of threads may use it."""

    def __init__(self, connection: FlagshipConnection, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._timeouts = (connection.connect_timeout, connection.read_timeout)
        self._place = Connection(connection.base_url, "", "", ca_pem=connection.ca_pem)
        self._session = requests.Session()
        prepare(self._session, self._place)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | Callable[[], Base64Body],
        *,
        token: str | None = None,
    ) -> dict[str, Any]:
        """Send a call and return the JSON object that is answered.

        A kept connection that was closed at the other end costs one more try.

        :param body: fields, or what makes a body that is streamed
        :raises TokenStale: at HTTP 401
        :raises SyncError: a ``TGT_`` code, or ADDRESS_FORBIDDEN
        """
        try:
            return self._post(path, body, token)
        except SyncError as error:
            if error.code != "TGT_CONNECTION":
                raise
        return self._post(path, body, token)

    def _post(
        self,
        path: str,
        body: Mapping[str, Any] | Callable[[], Base64Body],
        token: str | None,
    ) -> dict[str, Any]:
        call = path.rpartition("/")[2]
        is_streamed = callable(body)
        until = time.monotonic() + self._timeouts[1] * ANSWER_TIMEOUTS
        response: requests.Response | None = None
        try:
            with self._session.post(
                self._place.url(path),
                params={} if token is None else {"access_token": token},
                data=body() if callable(body) else None,
                json=None if is_streamed else body,
                headers={"Content-Type": "application/json"},
                timeout=self._timeouts,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = self._read(response, until, call)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._failure(error, call, answered=response is not None) from None
        self._judge(response, content, call)
        return read_json(content, response.headers.get("Content-Type", ""), call)

    def _read(self, response: requests.Response, until: float, call: str) -> bytes:
        content = bytearray()
        while piece := response.raw.read1(_PIECE, decode_content=True):
            content += piece
            if len(content) > ANSWER_LIMIT:
                detail = f"more than {ANSWER_LIMIT} bytes"
                raise SyncError("TGT_BAD_ANSWER", call=call, detail=detail)
            if time.monotonic() > until:
                seconds = self._timeouts[1] * ANSWER_TIMEOUTS
                raise SyncError("TGT_TIMEOUT", call=call, seconds=f"{seconds:g}")
        return bytes(content)

    def _judge(self, response: requests.Response, content: bytes, call: str) -> None:
        status = response.status_code
        if status == 200:
            return
        if status == 401:
            raise TokenStale
        known = status_error(status, response.headers, b"", self._clock())
        if status in (429, 503):
            raise SyncError("TGT_THROTTLED", status=status, retry_after=known.retry_after)
        if status >= 500 or status == 408:
            raise SyncError(
                "TGT_SERVER_ERROR", call=call, status=status, retry_after=known.retry_after
            )
        if status in _OF_THE_DOCUMENT:
            said = content[:200].decode("utf-8", "replace")
            raise SyncError("TGT_REFUSED", call=call, errcode=f"HTTP {status}", description=said)
        raise SyncError("TGT_BAD_ANSWER", call=call, detail=f"HTTP {status}")

    def _failure(self, error: Exception, call: str, *, answered: bool) -> SyncError:
        known = transport_error(error, self._place, self._timeouts, answered=answered)
        if known.code == "SRC_TIMEOUT":
            return SyncError("TGT_TIMEOUT", call=call, seconds=known.params["seconds"])
        if known.code == "SRC_BAD_ANSWER":
            return SyncError("TGT_BAD_ANSWER", call=call, detail=known.params["detail"])
        code = _CODES.get(known.code, known.code)
        return SyncError(code, **known.params)
