"""The HTTP face for admins: whatever comes in, HTTP 200 with a JSON code goes out.

An admin takes any other status for a broken connection and shows no reason, so not even a wrong
method or path may fall through to the application's own error pages. So this stands before the
application, which also spares admins what the application does for people: sessions, logins,
tokens against forged requests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar

from flask import Flask
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request

from . import rpc_calls
from .callers import Callers
from .calls import CALLS, Call, beat
from .protocol import rpc, texts
from .protocol.dialects import Dialect, dialect_of
from .protocol.inbound import RequestError
from .protocol.outbound import Answer, failure

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from .service import Executor

logger = logging.getLogger(__name__)

T = TypeVar("T")

BODY_LIMIT: Final = 5 << 20
"""Bytes of a request; the Java executor's own bound."""
DISCARD_LIMIT: Final = 32 << 20
"""Bytes read and thrown away, so that the refusal reaches the client."""


class Endpoints:
    """Answers every method and every path at and below ``prefix``; the rest is the application's.

    A call that needs the executor's tables is answered within a request context, in which the
    host's hooks and sessions find what they find in any view.
    """

    def __init__(self, app: Flask, executor: Executor, *, prefix: str) -> None:
        self._app = app
        self._others = app.wsgi_app
        self._executor = executor
        self._callers = Callers(executor.settings)
        self._base = prefix.rstrip("/")
        self._below = f"{self._base}/"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI application."""
        path = environ.get("PATH_INFO", "")
        # Admins of 2.0 and 2.1 post to the very address they were told.
        if path != self._base and not path.startswith(self._below):
            return self._others(environ, start_response)
        word = path[len(self._below) :]
        called = None if word else self._call_by_rpc(environ)
        kind = "application/json;charset=UTF-8" if called is None else "application/x-hessian"
        body = self._answer(environ, word).to_bytes() if called is None else called
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response("200 OK", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: WSGIEnvironment, word: str) -> Answer:
        """Java's order of checks: method, token, path, body."""
        request = Request(environ)
        dialect = dialect_of(word, names_app=texts.APP_NAME_HEADER in request.headers)
        refusal = self._refusal(request, dialect)
        if refusal is not None:
            return failure(refusal)
        call = CALLS.get(word)
        if call is None or request.query_string:
            return failure(texts.unknown_word(request.full_path.rstrip("?")))
        try:
            received = Call(_body(request), dialect)
            if call is beat:
                return call(self._executor, received)
            return self._within(environ, lambda: call(self._executor, received))
        except RequestError as error:
            return failure(texts.bad_request(str(error)))
        except Exception:
            logger.exception("the call %s failed", word)
            return failure(texts.INTERNAL_ERROR)

    def _call_by_rpc(self, environ: WSGIEnvironment) -> bytes | None:
        """The answer to an admin of 2.0 or 2.1; None when it is none that calls."""
        request = Request(environ)
        if request.method != "POST":
            return None
        try:
            body = _body(request)
        except RequestError:
            return None
        if not body.startswith(rpc.FIRST_BYTE):
            return None
        return rpc_calls.answer(
            self._executor,
            self._callers,
            body,
            is_allowed=self._callers.is_allowed(request),
            within=lambda work: self._within(environ, work),
        )

    def _within(self, environ: WSGIEnvironment, work: Callable[[], T]) -> T:
        with self._app.request_context(environ):
            return self._executor.again(work)

    def _refusal(self, request: Request, dialect: Dialect) -> str | None:
        if not self._callers.is_allowed(request):
            return texts.FOREIGN_NETWORK
        if request.method != "POST":
            return texts.WRONG_METHOD
        return self._callers.refusal(request, dialect)


def _body(request: Request) -> bytes:
    request.max_content_length = BODY_LIMIT
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        _discard_body(request)
        raise RequestError(f"the body is larger than {BODY_LIMIT} bytes") from error
    except (HTTPException, OSError) as error:
        raise RequestError("the body ended early") from error


def _discard_body(request: Request) -> None:
    """Take what is too large off the wire: a client reads no answer before it has sent all."""
    left = request.content_length
    if left is None:  # chunked; where it ends is known to the server, when it says so
        left = DISCARD_LIMIT if request.environ.get("wsgi.input_terminated") else 0
    left = min(left, DISCARD_LIMIT)
    stream = request.environ["wsgi.input"]
    while left > 0 and (piece := stream.read(min(left, 1 << 16))):
        left -= len(piece)
