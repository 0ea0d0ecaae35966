"""The demo source, or another application, served by a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from portal.demo.api import create_demo_source
from portal.demo.options import DemoOptions


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        pass


@contextmanager
def demo_server(options: DemoOptions) -> Iterator[str]:
    """Its address while it lasts."""
    with served(create_demo_source(options)) as url:
        yield url


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The address of an application, which a thread serves while it lasts."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()
