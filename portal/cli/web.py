"""``imgmig web``: the portal and the executor's endpoints under gunicorn."""

from __future__ import annotations

import gc
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication

from portal.app import create_app
from portal.cli.gunicorn_log import PlainLogger
from portal.cli.opening import log_to, opened, warn_of_clock
from portal.cli.pulse import Pulse
from portal.cli.running import parent_option, require_free
from portal.cli.slow_requests import Worker
from portal.processes import die_with_parent
from portal.settings import Settings, read_settings

PROCESSES = 2
THREADS = 8


@click.command("web")
@parent_option
def command() -> None:
    """启动网页与执行器接口 Serve the portal and the executor's endpoints."""
    settings = read_settings()
    require_free(settings.bind_host, settings.bind_port, "PORTAL_BIND")
    log_to("web", settings)
    with opened(settings) as portal:
        warn_of_clock(portal)  # and says what is missing before any process is forked
    _Server(settings).run()


class _Server(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """Each process builds the application for itself: nothing is open when it is forked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pulse: Pulse | None = None
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"{self._settings.bind_host}:{self._settings.bind_port}",
            "workers": PROCESSES,
            "worker_class": Worker,
            "threads": THREADS,
            # The slowest poll of a page comes every 10 s; 5 would end just as the overview asks.
            "keepalive": 15,
            "timeout": 60,
            "graceful_timeout": 10,
            "proc_name": "imgmig web",
            "loglevel": "warning",
            "logger_class": PlainLogger,
            "control_socket_disable": True,
            # PORTAL_TRUSTED_PROXIES alone says who is believed; gunicorn would believe loopback.
            "forwarded_allow_ips": "",
            "post_fork": lambda _server, worker: die_with_parent(worker.ppid),
            "post_worker_init": lambda _worker: self._begin(),
            "worker_exit": lambda _server, _worker: self._end(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        self._app = create_app(self._settings)
        return self._app

    def _begin(self) -> None:
        _keep_what_stays()
        self._pulse = Pulse(self._app.extensions["portal"].ledger)
        self._pulse.start()

    def _end(self) -> None:
        """Also for a process that never came so far as to begin."""
        if self._pulse is not None:
            self._pulse.stop()


def _keep_what_stays() -> None:
    """Take the application's own objects, which stay, from the garbage collector.

    It would look at all of them whenever an answer needs many new ones; of the time for a log of
    10,000 lines that was a third.
    """
    gc.collect()
    gc.freeze()
