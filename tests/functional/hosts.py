"""Several hosts on loopback: a home, a port and processes of its own each, and what they share."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import requests

from portal.processes import worker_slots
from tests.executor.fake_admin import TOKEN, FakeAdmin
from tests.functional.backends import Backends
from tests.functional.installation import Installation, trigger_body, wait_for

#: Starting a dozen processes takes its time where others work too.
PATIENCE = 240.0
PASSWORD = "a password for these tests"
KEY = "the secret key that all hosts of these tests share"
_TOKEN_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
ROLES = ("web", "worker", "agent")


class Host(Installation):
    """One host: what belongs to it goes with it when it vanishes."""

    def start_all(self, *roles: str) -> None:
        """Start what runs on a host, or only some of it."""
        self.running = [self.start(role) for role in roles or ROLES]

    def wait_until_serving(self) -> None:
        """Its web answers; nothing of it has ended."""

        def serves() -> bool:
            ended = [one for one in self.running if not one.is_running()]
            assert not ended, [(one.name, one.out, one.err) for one in ended]
            with suppress(requests.RequestException):
                return requests.get(f"{self.address}/healthz", timeout=10).ok
            return False

        wait_for(f"{self.home.name} serves", serves, PATIENCE)

    def vanish(self) -> None:
        """Every process is gone at once, and the disk too."""
        self.kill_all()
        shutil.rmtree(self.home)

    def freeze(self) -> list[int]:
        """Stop every process; their ids."""
        pids = self.processes()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids

    def thaw(self) -> None:
        """Let them go on."""
        for pid in self.processes():
            os.kill(pid, signal.SIGCONT)

    def workers(self) -> list[str]:
        """The names of its workers, as the ledger knows them."""
        return worker_slots(self.home)

    def as_admin(self, word: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call its executor as an admin does."""
        headers = {"XXL-JOB-ACCESS-TOKEN": TOKEN}
        url = f"{self.address}/xxl-job/{word}"
        answer: dict[str, Any] = requests.post(url, json=body, headers=headers, timeout=60).json()
        return answer

    def trigger_job(self, job_id: int, parameter: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Trigger DataSyncTask here; what was sent, with ``code`` as it was answered."""
        strategy = {"executorBlockStrategy": "DISCARD_LATER"}
        body = trigger_body(job_id, parameter, **(strategy | fields))
        return body | {"code": self.as_admin("run", body)["code"]}

    def job_log(self, run: dict[str, Any]) -> str:
        """The log of a run, asked here."""
        wanted = {"logDateTim": run["logDateTime"], "logId": run["logId"], "fromLineNum": 1}
        return str(self.as_admin("log", wanted)["content"]["logContent"])


class Cluster:
    """Hosts that share a database, an archive, keys and an admin.

    :param backends: a queue that is not among them is each host's own
    """

    def __init__(
        self,
        folder: Path,
        backends: Backends,
        admin: FakeAdmin,
        *,
        hosts: int = 2,
        workers: int = 1,
    ) -> None:
        self.admin = admin
        self._archive = backends.archive
        self._ledger = backends.ledger
        shared = {
            **backends.settings,
            "PORTAL_SECRET_KEY": KEY,
            "PORTAL_WORKERS": str(workers),
            "XXL_JOB_ADMIN_ADDRESSES": admin.address,
            "XXL_JOB_ACCESS_TOKEN": TOKEN,
            "XXL_JOB_DRAIN_SECONDS": "0",
        }
        self.hosts = [
            Host(folder / f"host-{letter}", settings=shared) for letter in "abcdefgh"[:hosts]
        ]
        self.office = Installation(folder / "office", settings=shared)
        ended = self.office.run("db", "upgrade")
        assert ended.code == 0, ended

    def close(self) -> None:
        """End everything."""
        for host in self.hosts:
            if host.home.exists():
                host.thaw()
            host.kill_all()

    def query(self, sql: str, **words: Any) -> list[Any]:
        """Ask the ledger."""
        return self._ledger.query(sql, **words)

    def one(self, sql: str, **words: Any) -> Any:
        """The single value that the ledger answers."""
        return self._ledger.one(sql, **words)

    def workers_that_recorded(self) -> list[str]:
        """Who has recorded documents."""
        sql = "SELECT DISTINCT actor FROM audit_events WHERE action='item.status' AND new='synced'"
        return [actor for (actor,) in self.query(sql)]

    def findings(self, expected: dict[str, Any]) -> list[str]:
        """Everything that is not as it must be once all batches have ended, in words."""
        planted = len(expected["defects"])
        healthy = expected["documents"] - planted
        found = [
            f"{what}: {value}, not {right}"
            for what, right, value in (
                ("synced", healthy, self._count("synced")),
                ("failed", planted, self._count("failed")),
                ("items", healthy + planted, self.one("SELECT count(*) FROM batch_items")),
                ("leases", 0, self._ledger.leased()),
                ("recorded twice", [], self.query(_RECORDED_TWICE)),
                ("counts of batches", [], self.query(_WRONG_COUNTS)),
                ("jobs that hold their place", 0, self.one(_PLACES)),
            )
            if value != right
        ]
        for command in (("verify",), ("audit", "verify")):
            ended = self.office.run(*command)
            if ended.code:
                found.append(f"{command}: {ended.out}{ended.err}")
        return found

    def wait_until_ended(self, batch_no: str, seconds: float = PATIENCE) -> None:
        sql = "SELECT run_status FROM batches WHERE batch_no=:number"
        wait_for(
            f"the end of {batch_no}", lambda: self.one(sql, number=batch_no) == "ended", seconds
        )

    def wait_until_swept(self) -> None:
        """No half-received files, and no folder that the ledger does not name."""

        def swept() -> bool:
            there = self._archive.folders()
            named = {
                row[0]
                for row in self.query("SELECT folder FROM documents WHERE folder IS NOT NULL")
            }
            half = self._archive.unpublished(*(host.home for host in self.hosts))
            return not half and there == named

        wait_for("a clean archive", swept, PATIENCE)

    def _count(self, status: str) -> int:
        sql = "SELECT count(*) FROM batch_items WHERE status=:status"
        return int(self.one(sql, status=status))


_RECORDED_TWICE = """SELECT document_id FROM audit_events WHERE action='item.status'
 AND new IN ('synced', 'failed', 'skipped') GROUP BY 1 HAVING count(*) > 1"""
_WRONG_COUNTS = """SELECT b.batch_no FROM batches b JOIN batch_items i ON i.batch_id=b.id
 GROUP BY b.id HAVING b.total<>count(i.id)
 OR b.synced<>sum(CASE WHEN i.status='synced' THEN 1 ELSE 0 END)
 OR b.failed<>sum(CASE WHEN i.status='failed' THEN 1 ELSE 0 END)"""
_PLACES = "SELECT count(*) FROM executor_runs WHERE occupies_job_id IS NOT NULL"


class Person:
    """Somebody with a browser, who is sent to this host or that one."""

    def __init__(self, cluster: Cluster, name: str = "lee", role: str = "admin") -> None:
        ended = cluster.office.run("user", "add", name, "--role", role, USER_PASSWORD=PASSWORD)
        assert ended.code == 0, ended
        self._session = requests.Session()
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._session.close()

    def log_in(self, host: Host) -> None:
        page = self.post(host, "/login", {"name": self._name, "password": PASSWORD})
        assert page.url.rstrip("/") != f"{host.address}/login", page.text

    def get(self, host: Host, path: str) -> requests.Response:
        response = self._session.get(host.address + path, timeout=60)
        assert response.ok, (path, response.status_code, response.text[:500])
        return response

    def post(
        self, host: Host, path: str, fields: dict[str, str], *, form: str | None = None
    ) -> requests.Response:
        """Send a form that stands on the page ``form``."""
        page = self.get(host, form or path)
        found = _TOKEN_FIELD.search(page.text)
        assert found, page.text[:500]
        data = {**fields, "csrf_token": found[1]}
        headers = {"Referer": host.address + path}
        response = self._session.post(host.address + path, data=data, headers=headers, timeout=60)
        assert response.ok, (path, response.status_code, response.text[:500])
        return response


def until(what: str, look: Callable[[], Any]) -> Any:
    """Wait as long as several hosts on a busy machine may take."""
    return wait_for(what, look, PATIENCE)
