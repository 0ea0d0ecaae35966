"""Where the portal stands on the web: behind so many proxies, under a path of its own.

Pages answer under ``PORTAL_BASE_PATH`` alone, and a proxy hands the path on as it is. What machines
call at the portal's own port (the executor's endpoints, health, figures) also answers without it.
A trusted proxy that takes the path off says so by ``X-Forwarded-Prefix``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from portal import browser
from portal.browser_session import CookieSession
from portal.settings import EXECUTOR_PREFIX, MACHINE_PATHS, is_sub_path

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def init_app(app: Flask, *, base_path: str, trusted_proxies: int) -> None:
    """Put it around all that the application serves, the executor's endpoints too."""
    app.session_interface = CookieSession()
    inner = _SubPath(app.wsgi_app, base_path)
    app.wsgi_app = inner  # type: ignore[method-assign] # as Flask's manual says
    if trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            inner,
            x_for=trusted_proxies,
            x_proto=trusted_proxies,
            x_host=trusted_proxies,
            x_prefix=trusted_proxies,
        )


def this_page() -> str:
    """What is asked for, path and query, as the browser's address bar has it."""
    return f"{request.script_root}{request.full_path.rstrip('?')}"


def is_ours(path: str) -> bool:
    """Whether a path of this host leads into the portal, and not beside it."""
    dots = {unquote(segment) for segment in path.split("/")} & {".", ".."}
    return path.startswith(f"{request.script_root}/") and not dots


class _SubPath:
    """Takes the path off what is asked for and keeps it for the addresses of answers."""

    def __init__(self, inner: WSGIApplication, base_path: str) -> None:
        self._inner = inner
        self._base = base_path

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI application."""
        told = environ.get("SCRIPT_NAME", "").rstrip("/")
        environ["SCRIPT_NAME"] = told if is_sub_path(told) else ""
        if not environ["SCRIPT_NAME"] and self._base:
            path = environ.get("PATH_INFO", "")
            environ["SCRIPT_NAME"] = self._base
            if f"{path}/".startswith(f"{self._base}/"):
                environ["PATH_INFO"] = path.removeprefix(self._base)
            elif path not in MACHINE_PATHS and not path.startswith(f"{EXECUTOR_PREFIX}/"):
                return self._elsewhere(environ, start_response)
        return self._inner(environ, start_response)

    def _elsewhere(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Not a redirect: behind a proxy that silently takes the path off it would never end."""
        text = (
            f"门户在 {self._base}/ 之下；反向代理须原样转发路径，或设置 X-Forwarded-Prefix\n"
            f"The portal is at {self._base}/; a proxy must hand the path on as it is, "
            "or set X-Forwarded-Prefix\n"
        ).encode()
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(text))),
            *browser.HEADERS.items(),
        ]
        start_response("404 Not Found", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]
