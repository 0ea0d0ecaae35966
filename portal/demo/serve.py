"""Runs the demo source or target under gunicorn: one process that answers, with many threads."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from portal.demo.api import create_demo_source
from portal.demo.options import DemoOptions

THREADS = 64
KEEP_ALIVE = 75
_BACKLOG = 1024
_PR_SET_PDEATHSIG = 1


def serve(options: DemoOptions, bind: str, announce: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then end at once; what is in flight is cut off.

    :param bind: ``host:port``; port 0 takes a free one
    :param announce: called with the base URL, once, as soon as connections are accepted
    :raises OSError: when the address cannot be bound, a port in use for one
    :raises ValueError: when ``bind`` or the options make no sense
    :raises SystemExit: at the end, in the answering child process too
    """
    serve_app(lambda: create_demo_source(options), bind, announce, name="imgmig demo-source")


def serve_app(
    make: Callable[[], Flask],
    bind: str,
    announce: Callable[[str], None] | None = None,
    *,
    name: str,
) -> None:
    """The same with any application, made when the address is bound.

    :param name: of the processes, in lists of processes
    """
    with _listen(bind) as listener:
        host, port = listener.getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        app = make()
        # From here on the descriptor is gunicorn's, which closes it.
        _Server(app, name, listener.detach(), lambda: announce(url) if announce else None).run()


def _listen(bind: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"the address is host:port, not {bind!r}")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)


class _Server(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    def __init__(self, app: Flask, name: str, listener: int, ready: Callable[[], None]) -> None:
        self._app = app
        self._name = name
        self._listener = listener
        self._ready = ready
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": f"fd://{self._listener}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": THREADS,
            "keepalive": KEEP_ALIVE,
            "loglevel": "warning",
            "proc_name": self._name,
            "control_socket_disable": True,
            "when_ready": lambda _arbiter: self._ready(),
            "post_worker_init": lambda _worker: _die_at_once(),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app


def _die_at_once() -> None:
    """Let the worker end without ceremony: there is nothing to save, and a stall may be long.

    The kernel ends it when the arbiter is killed, so that no orphan stays.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda _number, _frame: os._exit(0))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
