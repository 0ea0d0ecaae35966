"""The admin as a remote system: its three calls, and every way in which it can fail to answer.

No type of the HTTP library leaves this module.
"""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import requests
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from .addresses import shown_address
from .errors import ExecutorError
from .protocol import outbound, rpc, texts
from .protocol.dialects import AdminProtocol, Shape, shape_asked_for

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 5.0
"""Silence allowed between two pieces of an answer."""
ANSWER_SECONDS: Final = 10.0
"""Time allowed for a whole answer, against an admin that drips."""
CALLBACK_SECONDS: Final = 2 * (CONNECT_SECONDS + READ_SECONDS + ANSWER_SECONDS)
"""The longest that reporting to one admin takes: a second call when it wants another shape."""
ANSWER_BYTES: Final = 1 << 20


# A shorter token may be a word of any message.
_LONG_ENOUGH: Final = 8


class AdminError(ExecutorError):
    """An admin did not do what was asked; trying again later may help."""


class AdminUnreachable(AdminError):
    """No connection, or no answer in time."""


class NotAnAdmin(AdminError):
    """Something answered, but not the API of an admin: wrong address or context path, a proxy."""


class AdminRefused(AdminError):
    """The admin answered with a code that is not 200, such as for a wrong token."""

    def __init__(self, url: str, answer: outbound.Answer) -> None:
        super().__init__(f"{url}: code {answer.code}, {answer.msg}")
        self.message = answer.msg


def plain_session() -> requests.Session:
    """A session that takes neither proxies nor passwords from the environment."""
    session = requests.Session()
    session.trust_env = False
    if bundle := os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        session.verify = bundle
    return session


class AdminClient:
    """Calls one admin.

    :param address: its base address, with the context path if it has one, and with user and
        password where something in front of the admin asks for them
    :param token: sent with each call, even when empty
    :param app_name: sent with each call, for admins from 3.5 on
    :param protocol: what the admin takes. When that is to be found out, it is by registering: what
        answers in JSON is never asked in Hessian, so newer admins see nothing of it
    :param session: opens what one call is made by
    :ivar address: without user and password, as everybody may see it
    """

    def __init__(
        self,
        address: str,
        *,
        token: str,
        app_name: str,
        protocol: AdminProtocol = AdminProtocol.AUTO,
        read_seconds: float = READ_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        session: Callable[[], requests.Session] = plain_session,
    ) -> None:
        self.address = shown_address(address)
        self._called = address.rstrip("/")
        self._token = token
        self._headers = outbound.headers(token, app_name)
        self._protocol = protocol
        self._takes_rpc = {AdminProtocol.HESSIAN: True, AdminProtocol.JSON: False}.get(protocol)
        self._timeout = (CONNECT_SECONDS, read_seconds)
        self._answer_seconds = answer_seconds
        self._monotonic = monotonic
        self._session = session
        self._wanted: dict[Shape, Shape] = {}

    def registry(self, app_name: str, address: str) -> None:
        """Say that the executor is there; holds for 90 s.

        :raises AdminError: if the admin did not take it
        """
        self._tell("registry", app_name, address)

    def registry_remove(self, app_name: str, address: str) -> None:
        """Say that the executor is going.

        :raises AdminError: if the admin did not take it
        """
        self._tell("registryRemove", app_name, address)

    def callback(self, results: Sequence[outbound.Result], shape: Shape = Shape.ARRAY) -> None:
        """Report how runs ended; reporting one again does no harm.

        An admin that gives away that it wants another shape gets it, and that of 3.5 or before it
        from now on: it is not the version the runs were triggered by, because it was upgraded.

        :raises AdminError: if the admin did not take it
        """
        if self._takes_rpc or (self._takes_rpc is None and shape is Shape.RPC):
            self._invoke(rpc.callback_request(self._request("callback"), results))
            return
        if shape is Shape.RPC:
            shape = Shape.ARRAY  # it was upgraded
        shape = self._wanted.get(shape, shape)
        try:
            self._call("callback", outbound.callback_body(results, shape))
        except AdminRefused as refused:
            wanted = shape_asked_for(refused.message)
            if wanted is None or wanted is shape:
                raise
            logger.info("%s takes results as %s, not as %s", self.address, wanted, shape)
            self._call("callback", outbound.callback_body(results, wanted))
            if wanted is not Shape.STRICT:  # which later versions misunderstand and do not refuse
                self._wanted[shape] = wanted
                self._wanted.pop(wanted, None)

    def _tell(self, word: str, app_name: str, address: str) -> None:
        """Register or take back, and learn from the answer what the admin takes."""
        by_rpc = bool(self._takes_rpc)
        try:
            self._tell_by(by_rpc, word, app_name, address)
        except NotAnAdmin as problem:
            if self._protocol is not AdminProtocol.AUTO:
                raise
            by_rpc = not by_rpc
            try:
                self._tell_by(by_rpc, word, app_name, address)
            except AdminRefused:
                self._takes_rpc = by_rpc
                raise
            except AdminError:
                raise problem from None
            logger.info("%s takes %s", self.address, "Hessian" if by_rpc else "JSON")
        self._takes_rpc = by_rpc

    def _tell_by(self, by_rpc: bool, word: str, app_name: str, address: str) -> None:
        if by_rpc:
            self._invoke(rpc.registry_request(self._request(word), app_name, address))
        else:
            self._call(word, outbound.registry_body(app_name, address))

    def _request(self, method: str) -> rpc.Request:
        created_ms = int(time.time() * 1000)
        return rpc.Request(str(uuid.uuid4()), created_ms, self._token, rpc.ADMIN, method, ())

    def _invoke(self, body: bytes) -> None:
        self._ask("/api", body, {}, rpc.parse_response)

    def _call(self, word: str, body: outbound.JsonBody) -> None:
        sent = json.dumps(body).encode()
        self._ask(f"/api/{word}", sent, self._headers, outbound.parse_answer)

    def _ask(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, bytes],
        parse: Callable[[bytes], outbound.Answer],
    ) -> None:
        url = self.address.rstrip("/") + path
        content = self._answer(url, body, headers)
        try:
            answer = parse(content)
        except outbound.AnswerError as error:
            raise NotAnAdmin(f"{url}: {error}") from error
        if answer.code != texts.OK:
            raise AdminRefused(url, replace(answer, msg=self._hidden(answer.msg or "")))

    def _hidden(self, text: str) -> str:
        """What an admin says without our token, should it repeat that."""
        return text.replace(self._token, "***") if len(self._token) >= _LONG_ENOUGH else text

    def _answer(self, url: str, body: bytes, headers: Mapping[str, bytes]) -> bytes:
        try:
            status, location, content = self._post(url, body, headers)
        except (requests.RequestException, HTTPError) as error:
            raise AdminUnreachable(f"{url}: {_in_short(error)}") from error
        if status in range(300, 400):
            where = shown_address(self._hidden(location or "?"))
            raise NotAnAdmin(f"{url}: redirects to {where}, check the context path")
        if status != 200:
            raise NotAnAdmin(f"{url}: HTTP status {status}")
        return content

    def _post(
        self, url: str, body: bytes, headers: Mapping[str, bytes]
    ) -> tuple[int, str | None, bytes]:
        deadline = self._monotonic() + self._answer_seconds
        with (
            self._session() as session,
            session.post(
                self._called + url.removeprefix(self.address.rstrip("/")),
                data=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            content = b""
            # read1 returns what has come, so that the time is looked at between slow pieces too.
            while piece := response.raw.read1(1 << 14, decode_content=True):
                content += piece
                if self._monotonic() > deadline:
                    raise AdminUnreachable(f"{url}: the answer takes too long")
                if len(content) > ANSWER_BYTES:
                    raise NotAnAdmin(f"{url}: the answer is too long")
            return response.status_code, response.headers.get("Location"), content


def _in_short(error: Exception) -> str:
    match error:
        case requests.ConnectTimeout() | requests.ReadTimeout() | ReadTimeoutError():
            return "no answer in time"
        case requests.exceptions.SSLError():
            return "the certificate or the TLS connection was refused"
        case requests.ConnectionError(args=[ProtocolError(args=[_, PermissionError() as why])]):
            return str(why)
        case requests.ConnectionError():
            return "no connection"
    return shown_address(f"{type(error).__name__}: {error}")
