"""From where something is done: the address of who asks over HTTP, or this host."""

from __future__ import annotations

from flask import Flask, has_request_context, request
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.ledger import this_host

_LONGEST = 80


def init_app(app: Flask, *, trusted_proxies: int) -> None:
    """Believe so many proxies before us when they say for whom they ask."""
    if trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign] # as its manual says
            app.wsgi_app, x_for=trusted_proxies, x_proto=0, x_host=0
        )


def origin() -> str:
    """The address of the request that is being answered, or ``cli`` and the host's name."""
    if has_request_context():
        return (request.remote_addr or "")[:_LONGEST]
    return f"cli {this_host()}"
