"""Real processes of the host program around one database, called over HTTP as an admin does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select, text

from executor.models import ExecutorRun
from tests.executor.executor_rig import TOKEN, in_folder, opened, trigger

ROOT = Path(__file__).parents[2]
HEADERS = {"XXL-JOB-ACCESS-TOKEN": TOKEN, "Content-Type": "application/json;charset=UTF-8"}


def wait_for(what: str, look: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return seen


class Site:
    """A folder, and the processes that were started in it."""

    def __init__(self, home: Path, database_url: str = "", **options: Any) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        url = database_url or in_folder(home)
        self.options = {**options, "database": url}
        self.database = opened(url)  # makes the tables, before two processes do it at once
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, role: str, name: str | None = None, **options: Any) -> None:
        name = name or role
        (self.home / f"{name}.port").unlink(missing_ok=True)
        given = {**self.options, **options, "name": name}
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.executor.host", role, str(self.home)]
                + [f"{key}={value}" for key, value in given.items()],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if role == "web":
            wait_for(f"{name} serves", (self.home / f"{name}.port").exists)

    def kill(self, name: str) -> None:
        """As the kernel does it when memory is short: no goodbye."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    def end(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        self.database.engine.dispose()

    def port(self, name: str = "web") -> int:
        return int((self.home / f"{name}.port").read_text())

    def post(
        self,
        word: str,
        body: Any = None,
        *,
        web: str = "web",
        prefix: str = "/xxl-job/",
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """POST; HTTP 200 and JSON are checked here, for that is the first rule."""
        response = requests.post(
            f"http://127.0.0.1:{self.port(web)}{prefix}{word}",
            data=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers=HEADERS if headers is None else headers,
            timeout=30,
        )
        assert response.status_code == 200
        assert "Content-Encoding" not in response.headers
        answer = response.json()
        assert answer["content"] == answer["data"]
        assert isinstance(answer, dict)
        return answer

    def post_bytes(self, word: str, body: bytes, headers: dict[str, str]) -> bytes:
        """POST below the registered address; the answer's bytes."""
        url = f"http://127.0.0.1:{self.port()}/xxl-job/{word}"
        response = requests.post(url, data=body, headers=headers, timeout=30)
        assert response.status_code == 200
        return response.content

    def run(self, log_id: int, *, web: str = "web", **fields: Any) -> dict[str, Any]:
        return self.post("run", trigger(log_id, **fields), web=web)

    def log(self, log_id: int, from_line: int = 1, *, web: str = "web") -> dict[str, Any]:
        body = {"logDateTim": 1, "logId": log_id, "fromLineNum": from_line}
        page = self.post("log", body, web=web)["data"]
        assert isinstance(page, dict)
        return page

    def exchange(self, request: bytes, *, half_close: bool = True) -> bytes:
        """Bytes in, bytes out."""
        with socket.create_connection(("127.0.0.1", self.port()), timeout=30) as connection:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def status(self, log_id: int) -> str | None:
        """Of the run in the database; None when there is none."""
        with self.database.read() as session:
            query = select(ExecutorRun.status).where(ExecutorRun.log_id == log_id)
            return session.scalar(query.limit(1))

    def make_due(self) -> None:
        """Let the leases and back-offs of the dead have passed, instead of waiting for them."""
        self.change(
            "UPDATE executor_runs SET lease_expires_at = lease_expires_at - 60000,"
            " offered_at = offered_at - 60000, delivering_until = delivering_until - 200000,"
            " next_delivery_at = next_delivery_at - 300000"
        )

    def change(self, statement: str) -> None:
        """Change the database behind everybody's back."""
        with self.database.begin() as session:
            session.execute(text(statement))

    def starts(self, log_id: int) -> int:
        """How often the run's handler was started."""
        file = self.home / f"starts-{log_id}"
        return len(file.read_text()) if file.exists() else 0

    def finish(self, log_id: int) -> None:
        (self.home / f"finish-{log_id}").touch()
