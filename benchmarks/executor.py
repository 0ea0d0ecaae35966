"""How fast the executor answers admins, while the engine writes to the same ledger.

Ours runs as it is shipped (``imgmig web``, an empty ledger in a temporary folder); pyxxl, when it
is installed, beside it with the same calls. Every request opens a connection of its own, as the
admins' Java client does. /run is durable at ours: its row is on disk before the answer.

    python benchmarks/executor.py --requests 2000
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOKEN = "a-token-for-benchmarks"
CONNECTIONS = (1, 8, 50)
CALLS = ("beat", "idleBeat", "run", "log")
LOG_LINES = 10_000
SLOWEST_ANSWERS = 3.0  # seconds that admins wait

_log_ids = itertools.count(1_000_000)

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

    def call(self, word: str, body: Any) -> dict[str, Any]:
        """One request on a connection of its own."""
        data = json.dumps(body).encode()
        head = (
            f"POST {self.path}{word} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n"
            f"XXL-JOB-ACCESS-TOKEN: {TOKEN}\r\nContent-Type: application/json;charset=UTF-8\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        with closing(socket.create_connection((self.host, self.port), timeout=30)) as connection:
            connection.sendall(head.encode() + data)
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        head_, _, rest = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head_.splitlines()[0] + b" ":
            raise RuntimeError(head_)
        members: dict[str, Any] = json.loads(rest)
        return members


@dataclass(frozen=True)
class Figures:
    """What one kind of call cost."""

    per_second: float
    p50: float
    p99: float
    longest: float
    errors: int


def body_of(word: str, log_id: int, job_id: int) -> dict[str, Any]:
    """The request of an admin of 3.4."""
    if word == "log":
        return {"logDateTim": 1, "logId": log_id, "fromLineNum": 1}
    if word != "run":
        return {"jobId": job_id}
    return {
        "jobId": job_id,
        "executorHandler": "DataSyncTask",
        "executorParams": "",
        "executorBlockStrategy": "SERIAL_EXECUTION",
        "executorTimeout": 0,
        "logId": log_id,
        "logDateTime": int(time.time() * 1000),
        "glueType": "BEAN",
        "broadcastIndex": 0,
        "broadcastTotal": 1,
    }


def measure(subject: Subject, word: str, connections: int, requests: int, **fields: Any) -> Figures:
    """Send so many requests from so many threads."""
    seconds: list[float] = []
    errors: list[str] = []
    numbers = itertools.count()

    def work() -> None:
        while next(numbers) < requests:
            log_id = fields.pop("log_id", None) if word != "log" else fields["log_id"]
            log_id = log_id or next(_log_ids)
            body = body_of(word, log_id, job_id=1 + log_id % 500)
            body.update({key: value for key, value in fields.items() if key in body})
            began = time.perf_counter()
            try:
                answer = subject.call(word, body)
                if answer.get("code") != 200:
                    errors.append(str(answer)[:200])
            except (OSError, ValueError, RuntimeError) as error:
                errors.append(repr(error)[:200])
            seconds.append(time.perf_counter() - began)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = time.perf_counter() - began
    if errors:
        print(f"  {subject.name} /{word}: {len(errors)} errors, such as {errors[0]}")
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return Figures(len(seconds) / total, cuts[49], cuts[98], max(seconds), len(errors))


def free_port() -> int:
    """A port that nobody uses."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def program(arguments: Sequence[str], log: Path) -> Iterator[None]:
    """A process while the block lasts."""
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=output)
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


@contextmanager
def ours(folder: Path) -> Iterator[Subject]:
    """The shipped web server, and a writer beside it."""
    port = free_port()
    environment = {
        "IMGMIG_HOME": str(folder / "home"),
        "PORTAL_BIND": f"127.0.0.1:{port}",
        "XXL_JOB_ACCESS_TOKEN": TOKEN,
        "XXL_JOB_QUEUE_LIMIT": "10000",
    }
    os.environ |= environment
    imgmig = ("-m", "portal.cli.main")
    subprocess.run([sys.executable, *imgmig, "db", "upgrade"], check=True, capture_output=True)
    with (
        program((*imgmig, "web"), folder / "web.log"),
        program(("-c", WRITER), folder / "writer.log"),
    ):
        subject = Subject("ours", "127.0.0.1", port, "/xxl-job/")
        wait_for("the web server", lambda: subject.call("beat", "")["code"] == 200)
        wait_for("the writer", lambda: "writing" in (folder / "writer.log").read_text())
        yield subject


@contextmanager
def pyxxl(folder: Path) -> Iterator[Subject]:
    """pyxxl's own server."""
    port = free_port()
    with program(("-c", PYXXL, str(port), str(folder)), folder / "pyxxl.log"):
        subject = Subject("pyxxl", "127.0.0.1", port, "/")
        wait_for("pyxxl", lambda: subject.call("beat", "")["code"] == 200)
        yield subject


def measure_all(
    subject: Subject, words: Sequence[str], requests: int, log_id: int
) -> dict[tuple[str, int], Figures]:
    """Every call at every number of connections."""
    found = {}
    handler = {} if subject.name == "ours" else {"executorHandler": "quick"}
    for word, connections in itertools.product(words, CONNECTIONS):
        count = requests if word != "log" else max(100, requests // 20)
        fields: dict[str, Any] = {"log_id": log_id} if word == "log" else dict(handler)
        figures = measure(subject, word, connections, count, **fields)
        found[word, connections] = figures
        print(
            f"{subject.name:6} /{word:9} {connections:3} connections: {figures.per_second:7.0f}/s  "
            f"p50 {figures.p50 * 1000:6.1f} ms  p99 {figures.p99 * 1000:7.1f} ms  "
            f"max {figures.longest * 1000:7.1f} ms  errors {figures.errors}",
            flush=True,
        )
    return found


def run(subject: Subject, words: Sequence[str], requests: int) -> dict[tuple[str, int], Figures]:
    """Prepare a long log, then measure."""
    log_id = next(_log_ids)
    job_id = 1 + log_id % 500
    trigger = body_of("run", log_id, job_id)
    if subject.name == "ours":
        subject.call("run", trigger)
        numbers = [str(number) for number in (log_id, job_id, LOG_LINES)]
        subprocess.run([sys.executable, "-c", LONG_LOG, *numbers], check=True)
    else:
        subject.call("run", {**trigger, "executorHandler": "talks"})
        time.sleep(5)
    return measure_all(subject, words, requests, log_id)


def main() -> int:
    """Measure and print; 1 when /run is not as it has to be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000, help="per call and connections")
    parser.add_argument("--calls", nargs="+", choices=CALLS, default=CALLS)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="executor-benchmark-") as place:
        folder = Path(place)
        with ours(folder) as subject:
            mine = run(subject, options.calls, options.requests)
        if importlib.util.find_spec("pyxxl") is None:
            print("pyxxl is not installed: its half is left out")
        else:
            with pyxxl(folder) as subject:
                theirs = run(subject, options.calls, options.requests)
            for key, figures in mine.items():
                ratio = figures.per_second / theirs[key].per_second
                print(f"ours / pyxxl  /{key[0]:9} {key[1]:3} connections: {ratio:.2f}")
    if "run" not in options.calls:
        return 0
    at_50 = mine["run", 50]
    is_good = at_50.p99 < 0.5 and at_50.longest < SLOWEST_ANSWERS and not at_50.errors
    print(f"/run at 50 connections: {'as wanted' if is_good else 'NOT as wanted'}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
