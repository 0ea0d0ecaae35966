"""What the browser is told with every page: what it may load, and that nobody may frame it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# For bytes that came from a source: shown as a picture or saved, never run.
FOREIGN_POLICY = "default-src 'none'; sandbox"
#: What every answer carries, whatever it is and whoever made it.
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    # No window of another site keeps a hold on ours, and none of its pages loads our answers.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Nothing of the device is asked for, so that nothing smuggled in could ask either.
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in (
            "camera",
            "display-capture",
            "geolocation",
            "microphone",
            "midi",
            "payment",
            "serial",
            "usb",
        )
    ),
}
# A year; the host alone, whose subdomains are none of our business.
_ONLY_TLS = "max-age=31536000"


def init_app(app: Flask) -> None:
    """Set the headers on every answer that has none of its own.

    Around what is the application by now, the executor's endpoints too; what tells where we stand
    behind proxies has to be put around this afterwards.
    """
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_NAME="imgmig",
    )
    app.wsgi_app = _Headers(app.wsgi_app)  # type: ignore[method-assign] # as Flask's manual says


class _Headers:
    """Completes the headers of an answer, whoever made it."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI application."""
        # With us, or with the outermost trusted proxy.
        is_secure = environ["wsgi.url_scheme"] == "https"

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            given = {name.lower(): value for name, value in headers}
            wanted = dict(HEADERS)
            if is_secure:
                wanted["Strict-Transport-Security"] = _ONLY_TLS
            if given.get("content-type", "").startswith("text/html"):
                wanted["Cache-Control"] = "no-store"
            missing = [one for one in wanted.items() if one[0].lower() not in given]
            return start_response(status, [*headers, *missing], *error)

        return self._inner(environ, start)
