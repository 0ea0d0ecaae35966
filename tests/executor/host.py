"""A program that is no portal and uses the executor: a web server, a worker, an agent.

``python -m tests.executor.host web|worker|agent HOME [SETTING=VALUE…]``
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from executor import Executor, ExecutorSettings, LogMarkup
from tests.executor.executor_rig import in_folder, opened

TOKEN = "a-token-for-tests"


class Quiet(WSGIRequestHandler):
    def log(self, *_args: Any) -> None:
        pass


def main() -> None:
    role, home, *given = sys.argv[1:]
    options = dict(option.split("=", 1) for option in given)
    os.environ["EXECUTOR_HOST_HOME"] = home
    folder = Path(home)
    (folder / f"{options.get('name', role)}.started").touch()
    app = Flask("host")
    executor = _executor(folder, options)
    executor.init_app(app, prefix=options.get("prefix", "/xxl-job"))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_args: stop.set())
    {"web": _web, "worker": _worker, "agent": _agent}[role](app, executor, folder, options, stop)


def _executor(folder: Path, options: dict[str, str]) -> Executor:
    database = opened(options.get("database") or in_folder(folder))
    queue = folder / "queue"
    queue.mkdir(exist_ok=True)
    settings = ExecutorSettings(
        app_name="imaging-migration",
        address=options.get("address", "http://127.0.0.1:1/xxl-job/"),
        access_tokens=tuple(filter(None, options.get("tokens", TOKEN).split(","))),
        admin_addresses=tuple(filter(None, options.get("admins", "").split(","))),
        allow_no_token=options.get("allow_no_token") == "1",
        handler_modules=("tests.executor.host_handlers",),
        queue_limit=int(options.get("queue_limit", "100")),
        stop_grace_seconds=float(options.get("grace", "1")),
        drain_seconds=float(options.get("drain", "0")),
        log_markup=LogMarkup(options.get("markup", "lookalike")),
        log_retention=timedelta(days=30),
        allowed_networks=tuple(map(ip_network, filter(None, [options.get("network")]))),
        trusted_proxies=int(options.get("proxies", "0")),
    )
    return Executor(
        settings,
        begin=database.begin,
        read=database.read,
        again=database.again,
        enqueue=lambda run_id: (queue / str(run_id)).touch(),
    )


def _web(app: Flask, _executor: Any, folder: Path, options: dict[str, str], stop: Any) -> None:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    name = options.get("name", "web")
    (folder / f"{name}.port.new").write_text(str(server.server_port))
    (folder / f"{name}.port.new").rename(folder / f"{name}.port")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stop.wait()
    server.shutdown()


def _worker(
    app: Flask, executor: Executor, folder: Path, _options: dict[str, str], stop: Any
) -> None:
    with app.app_context():
        while not stop.wait(0.02):
            for message in sorted((folder / "queue").iterdir(), key=lambda path: int(path.name)):
                message.unlink(missing_ok=True)
                executor.perform(
                    int(message.name),
                    worker=f"worker-{os.getpid()}",
                    abandon=lambda: os._exit(70),
                )


def _agent(
    _app: Flask, executor: Executor, _folder: Path, _options: dict[str, str], stop: Any
) -> None:
    with executor.talking():
        while not stop.wait(0.2):
            executor.tick()
        until = time.monotonic() + executor.leave()
        while time.monotonic() < until:
            executor.tick()
            time.sleep(0.2)


if __name__ == "__main__":
    main()
