"""An installation under fire: what is killed from outside, and what keeps it busy meanwhile."""

from __future__ import annotations

import calendar
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from tests.chaos.mortal import PLAN_VARIABLE
from tests.executor.fake_admin import TOKEN, FakeAdmin
from tests.functional.backends import Backends, Kinds, opened_backends
from tests.functional.installation import (
    SOURCE,
    DemoSource,
    Installation,
    Running,
    trigger_body,
    wait_for,
)

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 4
# Few files in flight: what a kill may make the others fetch again stays small and countable.
CONCURRENCY = 16


def home_in(folder: Path) -> Path:
    """The home of the installation of a run in this folder."""
    return folder / "home"


def plan_in(folder: Path) -> Path:
    """The plan of that run."""
    return folder / "plan"


@contextmanager
def opened_scene(folder: Path, kinds: Kinds, *tenant: str) -> Iterator[Scene]:
    """A scene where everything runs, in a folder that has a plan and nothing else."""
    with opened_backends(kinds, home_in(folder)) as backends, FakeAdmin() as admin:
        scene = Scene(folder, backends, admin, *tenant)
        try:
            scene.open()
            yield scene
        finally:
            scene.close()


class Scene:
    """A demo source, an admin, and ``imgmig up`` with processes that die by a plan."""

    def __init__(self, folder: Path, backends: Backends, admin: FakeAdmin, *tenant: str) -> None:
        self.admin = admin
        self.ledger = backends.ledger
        self.archive = backends.archive
        self._source_place = Installation(folder / "source")
        self.source = DemoSource(self._source_place, *tenant)
        self.site = Installation(
            home_in(folder),
            settings={
                **backends.settings,
                "PORTAL_WORKERS": str(WORKERS),
                "PYTHONPATH": str(ROOT),
                "XXL_JOB_HANDLER_MODULES": "tests.chaos.mortal",
                "XXL_JOB_ADMIN_ADDRESSES": admin.address,
                "XXL_JOB_ACCESS_TOKEN": TOKEN,
                PLAN_VARIABLE: str(plan_in(folder)),
            },
        )
        self.accepted: list[int] = []
        self._up: Running | None = None
        self._latency = -1.0
        self._stop = threading.Event()
        self._visitor = threading.Thread(target=self._visit, daemon=True)

    def open(self) -> None:
        """Start everything."""
        assert self.site.run("db", "upgrade").code == 0
        ended = self.site.run(
            *("source", "add", SOURCE, "--url", self.source.url),
            *("--client-id", self.source.client_id, "--concurrency-cap", str(CONCURRENCY)),
            CLIENT_SECRET=self.source.client_secret,
        )
        assert ended.code == 0, ended
        self.keep_up()
        self._visitor.start()

    def close(self) -> None:
        """End everything."""
        self._stop.set()
        if self._visitor.is_alive():
            self._visitor.join()
        self.site.kill_all()
        self._source_place.kill_all()

    def keep_up(self) -> None:
        """Start ``imgmig up`` when it does not run."""
        if self._up is None or not self._up.is_running():
            # What it had started dies with it, but not in the same instant.
            self.site.wait_until_gone()
            self._up = self.site.start("up")

    def kill(self, point: str) -> int:
        """Kill a supervisor from outside; its process id."""
        if point == "outer.up":
            assert self._up is not None
            pid = self._up.process.pid
        elif point == "outer.workers":
            ones = set(self.site.processes("imgmig worker", "--one"))
            pid = wait_for(
                "the workers' supervisor",
                lambda: min(set(self.site.processes("imgmig worker")) - ones, default=None),
            )
        else:
            pid = wait_for("web", lambda: min(self.site.processes("imgmig web"), default=None))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid

    def set_latency(self, seconds: float) -> None:
        """How slow the source is, so that kills find something under way."""
        if seconds != self._latency:
            self.source.switch(latency=seconds)
            self._latency = seconds

    def start_month(self, month: int) -> str:
        """Create the batch of a month (from 0) and trigger it as an admin does."""
        year, month = 2024 + month // 12, month % 12 + 1
        last = calendar.monthrange(year, month)[1]
        number = self.site.create_batch(f"{year}-{month:02}-01", f"{year}-{month:02}-{last}")
        self._trigger(number)
        return number

    def query(self, sql: str) -> list[Any]:
        """Ask the ledger."""
        return self.ledger.query(sql)

    def unpublished(self) -> list[Path]:
        """Half a document in the archive, or on its way there."""
        return self.archive.unpublished(self.site.home)

    def _trigger(self, batch_no: str) -> None:
        """Send a trigger until it is answered with 200, the same one each time."""
        body = trigger_body(len(self.accepted) + 1, {"batch": batch_no})

        def taken() -> bool:
            with suppress(requests.RequestException):
                return bool(self._as_admin("run", body)["code"] == 200)
            return False

        wait_for(f"the trigger of {batch_no} taken", taken, 120)
        self.accepted.append(body["logId"])

    def _as_admin(self, word: str, body: dict[str, Any]) -> Any:
        return requests.post(
            f"{self.site.address}/xxl-job/{word}",
            json=body,
            headers={"XXL-JOB-ACCESS-TOKEN": TOKEN},
            timeout=10,
        ).json()

    def _visit(self) -> None:
        """Be people and an admin who look at things all the time."""
        while not self._stop.wait(0.3):
            with suppress(requests.RequestException, ValueError):
                requests.get(f"{self.site.address}/login", timeout=10)
                requests.get(f"{self.site.address}/readyz", timeout=10)
                self._as_admin("idleBeat", {"jobId": 1})
                if self.accepted:
                    wanted = {"logDateTim": 1, "logId": self.accepted[-1], "fromLineNum": 1}
                    self._as_admin("log", wanted)
