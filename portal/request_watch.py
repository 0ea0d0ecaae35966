"""Around every request: its id, its place in the figures, and its record in the log."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask, has_request_context, request

from executor.calls import CALLS
from portal.logs import context
from portal.logs.starting import REQUESTS
from portal.request_counts import RequestCounts
from portal.settings import EXECUTOR_PREFIX, Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(REQUESTS)

HEADER: Final = "X-Request-ID"
_ID, _ROUTE, _POLL = "portal.request_id", "portal.route", "portal.poll"
# What a proxy may call a request: nothing that could be anything else in a log, page or header.
_SHAPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_NONE: Final = "(none)"
# Asked all the time by machines, or parts of a page: only worth a record when they fail.
# So are the polls of live regions (:func:`note_poll`).
_QUIET = ("/healthz", "/readyz", "/metrics", "/static/<path:filename>")


def init_app(app: Flask, settings: Settings) -> RequestCounts:
    """Watch every request; to be called when nothing else is to be put around the application."""
    counts = RequestCounts(settings.home / "run")
    watch = _Watch(app.wsgi_app, counts, believe=settings.trusted_proxies > 0)
    app.wsgi_app = watch  # type: ignore[method-assign] # as Flask's manual says
    app.url_value_preprocessor(_note_place)  # before anything can refuse the request
    return counts


def request_id() -> str:
    """Of the request that is being answered; empty when there is none."""
    return str(request.environ.get(_ID, "")) if has_request_context() else ""


def note_poll() -> None:
    """The request is one of many by which a page keeps itself up to date."""
    request.environ[_POLL] = True


def _note_place(_endpoint: str | None, places: dict[str, Any] | None) -> None:
    """Which route it is, and what its address says it is about."""
    if request.url_rule is not None:
        request.environ[_ROUTE] = request.url_rule.rule
    places = places or {}
    known: dict[str, str | int] = {}
    if "batch_no" in places:
        known["batch_no"] = str(places["batch_no"])
    if "document_id" in places:
        known["document"] = int(places["document_id"])
    context.note(**known)


class _Watch:
    """The WSGI application around all others.

    :param believe: whether a proxy of ours stands before us and may name the request
    """

    def __init__(self, app: WSGIApplication, counts: RequestCounts, *, believe: bool) -> None:
        self._app = app
        self._counts = counts
        self._believe = believe

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        given = environ.get("HTTP_X_REQUEST_ID", "") if self._believe else ""
        name = given if _SHAPE.fullmatch(given) else secrets.token_hex(8)
        environ[_ID] = name
        context.begin(request_id=name)
        seen = _Seen(environ, time.monotonic())

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            seen.status = int(status[:3])
            seen.size = next((size for key, size in headers if key == "Content-Length"), None)
            return start_response(status, [*headers, (HEADER, name)], *more)

        try:
            answer = self._app(environ, start)
        except BaseException:
            seen.status = 500
            self._end(seen)
            raise
        if isinstance(answer, environ.get("wsgi.file_wrapper", ())):
            self._end(seen)  # the server sends the file by itself
            return cast("Iterable[bytes]", answer)
        return _Answer(answer, lambda: self._end(seen))

    def _end(self, seen: _Seen) -> None:
        seconds = time.monotonic() - seen.began
        route = _route_of(seen.environ)
        method = seen.environ.get("REQUEST_METHOD", "")
        method = method if method in _METHODS else "OTHER"
        self._counts.add(method, route, seen.status, seconds)
        quiet = (route in _QUIET or _POLL in seen.environ) and seen.status < 400
        path = (
            seen.environ.get("PATH_INFO", "")
            .encode("latin-1", "replace")
            .decode("utf-8", "replace")
        )
        logger.log(
            logging.DEBUG if quiet else logging.INFO,
            *("%s %s %d", method, path, seen.status),
            extra={
                "fields": {
                    "method": method,
                    "route": route,
                    "path": path,
                    "status": seen.status,
                    "seconds": round(seconds, 4),
                    "bytes": int(seen.size) if seen.size and seen.size.isdecimal() else None,
                    "remote": seen.environ.get("REMOTE_ADDR"),
                }
            },
        )
        context.begin()


class _Answer:
    """An answer's bytes; ``done`` is called once, behind the last or when the client went away."""

    def __init__(self, answer: Iterable[bytes], done: Callable[[], None]) -> None:
        self._answer = answer
        self._pieces = iter(answer)
        self._done: Callable[[], None] | None = done

    def __iter__(self) -> _Answer:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            self._end()
            raise

    def close(self) -> None:
        """As WSGI has it: called in any case."""
        try:
            getattr(self._answer, "close", lambda: None)()
        finally:
            self._end()

    def _end(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done()


class _Seen:
    """What is known of an answer under way."""

    def __init__(self, environ: WSGIEnvironment, began: float) -> None:
        self.environ = environ
        self.began = began
        self.status = 500
        self.size: str | None = None


def _route_of(environ: WSGIEnvironment) -> str:
    """The route as it is declared: there are few of them, whatever addresses are tried."""
    path = environ.get("PATH_INFO", "")
    if path == EXECUTOR_PREFIX or path.startswith(f"{EXECUTOR_PREFIX}/"):
        word = path[len(EXECUTOR_PREFIX) + 1 :]
        return f"{EXECUTOR_PREFIX}/{word}" if word in CALLS else f"{EXECUTOR_PREFIX}/"
    return str(environ.get(_ROUTE, _NONE))
