"""The executors that are measured: ours as it is shipped, and pyxxl's own server.

pyxxl is GPL and a peer to be measured, never a part of the product: it runs in an interpreter
of its own and is only spoken to over HTTP.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

TOKEN = "a-token-for-benchmarks"
PYXXL_VERSION = "0.4.8"

#: The engine's share of the ledger: groups of rows, a commit with flush for each.
WRITER = """
import sys, time
from sqlalchemy import text
from portal.app import create_app
app = create_app()
ledger = app.extensions["portal"].ledger
with ledger.write() as session:
    session.execute(text("CREATE TABLE IF NOT EXISTS benchmark_rows (n INTEGER, t TEXT)"))
print("writing", flush=True)
while True:
    with ledger.write() as session:
        rows = [{"n": n, "t": "x" * 200} for n in range(300)]
        session.execute(text("INSERT INTO benchmark_rows VALUES (:n, :t)"), rows)
    time.sleep(0.05)
"""

#: Makes the run sys.argv[1] one that has ended with a long log.
LONG_LOG = """
import sys
from portal.app import create_app
portal = create_app().extensions["portal"]
log_id, job_id, count = map(int, sys.argv[1:])
portal.executor.append_log(log_id, "\\n".join(f"line {n} of the log" for n in range(count)))
portal.executor.kill(job_id)
"""

#: What pyxxl needs: an admin that says yes, and a handler.
PYXXL = """
import sys, threading, http.server
class Admin(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b'{"code": 200, "msg": null, "content": null}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
admin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Admin)
threading.Thread(target=admin.serve_forever, daemon=True).start()
from pyxxl import ExecutorConfig, PyxxlRunner
from pyxxl.ctx import g
runner = PyxxlRunner(ExecutorConfig(
    xxl_admin_baseurl=f"http://127.0.0.1:{admin.server_port}/xxl-job-admin/api/",
    executor_app_name="benchmark", executor_listen_host="127.0.0.1",
    executor_listen_port=int(sys.argv[1]), log_local_dir=sys.argv[2]))
@runner.register(name="quick")
async def quick():
    return "done"
@runner.register(name="talks")
async def talks():
    for number in range(10000):
        g.logger.info("line %s of the log", number)
    return "done"
runner.run_executor()
"""


@dataclass(frozen=True)
class Subject:
    """One executor to be called."""

    name: str
    host: str
    port: int
    path: str
    handler: str
    """What /run asks for."""

    def call(self, word: str, body: bytes) -> bytes:
        """One request on a connection of its own, as an admin does it; returns the answer's body.

        :raises OSError: if the connection breaks
        :raises ValueError: if the answer is not HTTP 200
        """
        head = (
            f"POST {self.path}{word} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n"
            f"XXL-JOB-ACCESS-TOKEN: {TOKEN}\r\nContent-Type: application/json;charset=UTF-8\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with closing(socket.create_connection((self.host, self.port), timeout=30)) as connection:
            connection.sendall(head.encode() + body)
            answer = b"".join(iter(lambda: connection.recv(1 << 18), b""))
        status, _, rest = answer.partition(b"\r\n\r\n")
        if not status.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
            raise ValueError(status[:100])
        return rest


def free_port() -> int:
    """A port that nobody uses."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def program(
    python: str, arguments: Sequence[str], log: Path, *, folder: Path | None = None
) -> Iterator[None]:
    """A process while the block lasts, in a folder of its own if one is given."""
    with log.open("ab") as output:
        process = subprocess.Popen([python, *arguments], stdout=output, stderr=output, cwd=folder)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def wait_for(what: str, look: Callable[[], object]) -> None:
    """Look until it is so."""
    deadline = time.monotonic() + 60
    while True:
        try:
            if look():
                return
        except (OSError, ValueError, RuntimeError):
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"not within a minute: {what}")
        time.sleep(0.1)


def install_pyxxl(folder: Path) -> str:
    """Make a virtual environment with pyxxl from PyPI; returns its interpreter."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    quiet = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    subprocess.run([python, *quiet, f"pyxxl=={PYXXL_VERSION}"], check=True)
    return python


@contextmanager
def ours(folder: Path) -> Iterator[Subject]:
    """The shipped web server on a new ledger."""
    port = free_port()
    os.environ |= {
        "IMGMIG_HOME": str(folder / "home"),
        "PORTAL_BIND": f"127.0.0.1:{port}",
        "XXL_JOB_ACCESS_TOKEN": TOKEN,
        "XXL_JOB_QUEUE_LIMIT": "10000",
    }
    imgmig = ("-m", "portal.cli.main")
    subprocess.run([sys.executable, *imgmig, "db", "upgrade"], check=True, capture_output=True)
    with program(sys.executable, (*imgmig, "web"), folder / "web.log"):
        subject = Subject("ours", "127.0.0.1", port, "/xxl-job/", "DataSyncTask")
        wait_for("the web server", lambda: subject.call("beat", b'""'))
        yield subject


@contextmanager
def pyxxl(python: str, folder: Path) -> Iterator[Subject]:
    """pyxxl's own server, with an admin that says yes to everything."""
    port = free_port()
    arguments = ("-c", PYXXL, str(port), str(folder))  # writes a log of its own where it stands
    with program(python, arguments, folder / "pyxxl.out", folder=folder):
        subject = Subject("pyxxl", "127.0.0.1", port, "/", "quick")
        wait_for("pyxxl", lambda: subject.call("beat", b'""'))
        yield subject


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """The engine's share: somebody who writes to our ledger without pause."""
    log = folder / "writer.log"
    with program(sys.executable, ("-c", WRITER), log):
        wait_for("the writer", lambda: "writing" in log.read_text())
        yield
