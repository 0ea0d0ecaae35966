"""The demo source as a WSGI application."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from portal.demo.contract import Contract
from portal.demo.control import Control
from portal.demo.envelope import RefusedError
from portal.demo.options import DemoOptions

_LARGEST_REQUEST = 1 << 20


def create_demo_source(
    options: DemoOptions,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Flask:
    """The application: the contract's four calls and the control endpoints under ``/_demo/``.

    Tokens, counters and faults live in it, so all requests of a run must reach the same process.

    :param clock: monotonic seconds, for the 429 fault
    :param sleep: for latency and stalls
    :raises ValueError: when the documents do not fit into the months
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_REQUEST
    contract = Contract(options, clock, sleep)
    app.register_blueprint(contract.blueprint())
    app.register_blueprint(Control(options, contract).blueprint())
    app.register_error_handler(RefusedError, RefusedError.answer)
    app.register_error_handler(HTTPException, _http_error)
    app.wsgi_app = contract.traffic.watched(app.wsgi_app)  # type: ignore[assignment, method-assign]
    return app


def _http_error(error: HTTPException) -> Response:
    """The gateway speaks JSON too when it knows no such path or method."""
    status = error.code or 500
    return RefusedError(str(status), error.name, status=status).answer()
