"""Real processes for the tests: an installation of the portal in its own folder, a demo source."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import requests

import portal.app
import portal.cli.batch
import portal.cli.source
import portal.cli.verify  # noqa: F401 - what the forked commands need
from portal.cli.main import main
from portal.settings import PREFIXES
from portal.supervisor import imgmig

T = TypeVar("T")
SOURCE = "演示源"
_numbers = itertools.count(1)


def wait_for(what: str, look: Callable[[], T | bool | None], seconds: float = 30.0) -> T:
    """Look until there is something to see; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen  # type: ignore[return-value] # True only where T is bool
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of the output."""
        return json.loads(self.out.splitlines()[-1])


class Running:
    """A long-running command; its output goes to files."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        self.name = arguments[0]
        stem = folder / f"{next(_numbers)}-{self.name}"
        self._out, self._err = stem.with_suffix(".out"), stem.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*imgmig(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self._out.read_text("utf-8", "replace")

    @property
    def err(self) -> str:
        return self._err.read_text("utf-8", "replace")

    def is_running(self) -> bool:
        return self.process.poll() is None

    def ended(self, seconds: float = 60.0) -> Ended:
        """Wait for the end."""
        code = self.process.wait(seconds)
        return Ended(code, self.out, self.err)

    def stop(self, number: signal.Signals, seconds: float = 20.0) -> Ended:
        self.process.send_signal(number)
        return self.ended(seconds)


def trigger_body(job_id: int, parameter: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What an admin sends to have DataSyncTask run; ``fields`` replace those of ours."""
    number = time.time_ns() // 1000
    return {
        "jobId": job_id,
        "executorHandler": "DataSyncTask",
        "executorParams": json.dumps(parameter),
        "executorBlockStrategy": "SERIAL_EXECUTION",
        "executorTimeout": 0,
        "logId": number,
        "logDateTime": number // 1000,
        "glueType": "BEAN",
        "glueSource": "",
        "glueUpdatetime": number // 1000,
        "broadcastIndex": 0,
        "broadcastTotal": 1,
    } | fields


@dataclass
class Installation:
    """One ``IMGMIG_HOME`` with everything that is started in it."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._outputs = self.home.parent / f"{self.home.name}-outputs"
        self._outputs.mkdir(exist_ok=True)
        self._started: list[Running] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def archive(self) -> Path:
        return self.home / "archive"

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of its commands: none of the settings this test run was started with."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(PREFIXES)}
        ours = {"IMGMIG_HOME": str(self.home), "PORTAL_BIND": f"127.0.0.1:{self.port}"}
        return inherited | ours | self.settings | more

    def run(self, *arguments: str, **more: str) -> Ended:
        """Run a command to its end, by a fork of this process.

        A fork has everything imported already, which saves a second on each of many commands.
        """
        stem = self._outputs / f"{next(_numbers)}-{arguments[0].strip('-')}"
        out, err = stem.with_suffix(".out"), stem.with_suffix(".err")
        pid = os.fork()
        if pid == 0:
            _become(arguments, self.environment(**more), self._outputs, out, err)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, out.read_text("utf-8"), err.read_text("utf-8"))

    def demo(self, *options: str, **more: str) -> Ended:
        """Run ``imgmig demo`` to its end."""
        return self.start("demo", *options, **more).ended()

    def json(self, *arguments: str) -> Any:
        """Run a command that prints JSON and must succeed."""
        ended = self.run(*arguments, "--json")
        assert ended.code == 0, ended
        return ended.json

    def start(self, *arguments: str, **more: str) -> Running:
        """Start a command that goes on running."""
        running = Running(arguments, self.environment(**more), self._outputs)
        self._started.append(running)
        return running

    def start_up(self) -> Running:
        """``imgmig up``, ready to work."""
        up = self.start("up")
        self.wait_until_ready(up)
        return up

    def wait_until_ready(self, *needed: Running) -> None:
        def ready() -> bool:
            ended = [running for running in needed if not running.is_running()]
            assert not ended, [(r.name, r.out, r.err) for r in ended]
            return answers(f"{self.address}/readyz")

        wait_for("ready", ready)

    def wait_until_alive(self) -> None:
        """Answering, whether it could work or not."""
        wait_for("alive", lambda: answers(f"{self.address}/healthz"))

    # The processes, as the system sees them.

    def processes(self, *words: str) -> list[int]:
        """Living processes of this installation whose command line has all the words."""
        mark = f"IMGMIG_HOME={self.home}\0".encode()
        return [
            pid
            for pid, command, environment in _all_processes()
            if mark in environment and all(word in command for word in words)
        ]

    def wait_until_gone(self, seconds: float = 15.0) -> None:
        wait_for("no process left", lambda: not self.processes(), seconds)

    def kill_all(self) -> None:
        """End whatever still runs; for the end of a test."""
        kill(*self.processes())
        for running in self._started:
            running.process.wait(20)
        self.wait_until_gone()

    # What people and the admin do.

    def add_source(
        self, source: DemoSource, name: str = SOURCE, *, secret: str | None = None
    ) -> None:
        """Add a demo source, or change it, by default with the secret that opens it."""
        self.run("db", "upgrade")
        ended = self.run(
            *("source", "add", name, "--url", source.url, "--client-id", source.client_id),
            CLIENT_SECRET=source.client_secret if secret is None else secret,
        )
        assert ended.code == 0, ended

    def create_batch(
        self, first: str = "2024-01-01", last: str = "2024-06-30", *, source: str = SOURCE
    ) -> str:
        scope = ("--source", source, "--from", first, "--to", last)
        return str(self.json("batch", "create", *scope)["batch_no"])

    def trigger(self, parameter: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Trigger DataSyncTask over HTTP, as the admin does."""
        body = trigger_body(next(_numbers), parameter, **fields)
        answer = self._as_admin("run", body)
        assert answer["code"] == 200, answer
        return body

    def log_of(self, run: dict[str, Any]) -> str:
        """The job log of a run as far as it goes."""
        wanted = {"logDateTim": run["logDateTime"], "logId": run["logId"], "fromLineNum": 1}
        return str(self._as_admin("log", wanted)["content"]["logContent"])

    def log_of_ended(self, run: dict[str, Any]) -> str | None:
        """The job log of a run that has ended; None while it goes on."""
        wanted = {"logDateTim": run["logDateTime"], "logId": run["logId"], "fromLineNum": 1}
        page = self._as_admin("log", wanted)["content"]
        return page["logContent"] if page["isEnd"] else None

    def _as_admin(self, word: str, body: dict[str, Any]) -> dict[str, Any]:
        token = (self.home / "executor.token").read_text().strip()
        response = requests.post(
            f"{self.address}/xxl-job/{word}",
            json=body,
            headers={"XXL-JOB-ACCESS-TOKEN": token},
            timeout=5,
        )
        answer: dict[str, Any] = response.json()
        return answer

    def show(self, batch_no: str) -> dict[str, Any]:
        report: dict[str, Any] = self.json("batch", "show", batch_no)
        return report

    def wait_until_ended(self, batch_no: str) -> dict[str, Any]:
        """Watch the batch as a script does; its report."""
        ended = self.run("batch", "watch", batch_no, "--json")
        report: dict[str, Any] = ended.json
        assert ended.code == (0 if report["sync_status"] == "complete" else 1)
        return report

    def wait_until_some_are_done(self, batch_no: str) -> dict[str, Any]:
        """In mid-batch: something is archived and something is not."""
        wait_for("first documents", self.archived_folders)
        report = self.show(batch_no)
        assert report["run_status"] == "running", f"too fast for this test: {report}"
        return report

    def leased(self) -> int:
        """How many documents and months a worker holds, as the ledger has it."""
        with closing(sqlite3.connect(self.home / "ledger.db", timeout=10)) as ledger:
            (count,) = ledger.execute(
                "SELECT (SELECT count(*) FROM batch_items WHERE lease_owner IS NOT NULL)"
                " + (SELECT count(*) FROM slices WHERE lease_owner IS NOT NULL)"
            ).fetchone()
        return int(count)

    def archived_folders(self) -> list[Path]:
        """The folders of documents in the archive."""
        return [path for path in self.archive.glob("*/*/*") if ".incoming" not in path.parts]

    def incoming_files(self) -> list[Path]:
        return [path for path in self.archive.glob(".incoming/**/*") if path.is_file()]


class DemoSource:
    """A demo source as a process of its own."""

    def __init__(self, installation: Installation, *options: str) -> None:
        self._process = installation.start("demo-source", "--bind", "127.0.0.1:0", *options)

        def announced() -> str | None:
            assert self._process.is_running(), self._process.err
            lines = self._process.out.splitlines()
            return lines[0].rsplit(" ", 1)[-1] if lines else None

        self.url = wait_for("the demo source's address", announced)
        credentials = self._get("credentials")
        self.client_id = str(credentials["clientId"])
        self.client_secret = str(credentials["clientSecret"])

    def switch(self, **faults: float) -> None:
        """Replace the faults; none given heals the source."""
        requests.put(f"{self.url}/_demo/faults", json=faults, timeout=10).raise_for_status()

    def statistics(self) -> dict[str, Any]:
        return self._get("statistics")

    def expected(self) -> dict[str, Any]:
        return self._get("expected")

    def kill(self) -> None:
        """End it as a crash does: from then on connections are refused."""
        self._process.stop(signal.SIGKILL)
        wait_for("its end", lambda: not answers(f"{self.url}/_demo/credentials"))

    def healthy(self) -> int:
        """How many documents can be migrated."""
        expected = self.expected()
        return int(expected["documents"]) - len(expected["defects"])

    def calls(self) -> int:
        return sum(self.statistics()["calls"].values())

    def most_downloads_of_a_file(self) -> int:
        return max(self.statistics()["repeatedDownloads"].values(), default=1)

    def _get(self, name: str) -> dict[str, Any]:
        response = requests.get(f"{self.url}/_demo/{name}", timeout=30)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def _become(
    arguments: Sequence[str], environment: dict[str, str], folder: Path, out: Path, err: Path
) -> NoReturn:
    """In a forked child: be the command, and end as it ends."""
    code: object = 1
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for number, name, mode in ((0, os.devnull, "r"), (1, out, "w"), (2, err, "w")):
            with open(name, mode) as file:
                os.dup2(file.fileno(), number)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        sys.argv = ["imgmig", *arguments]
        main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _all_processes() -> Iterator[tuple[int, str, bytes]]:
    """Process id, command line and environment of what lives; the dead have no environment."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has just ended, or is somebody else's
            continue
        yield int(folder.name), command, environment


def kill(*pids: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal those that still are there: the end of one may have taken others along."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
