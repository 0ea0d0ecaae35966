"""A real installation as its operators see it from outside: logs, figures, readiness."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.exposition_parser import Parsed, parse
from tests.functional.installation import DemoSource, Installation, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

PLANTED = {
    "PORTAL_SECRET_KEY": "planted-secret-key-0123456789abcdef",
    "PORTAL_METRICS_TOKEN": "planted-metrics-token",
}
TOKEN = "planted-access-token"
SEEN = ("supervisor", "web", "worker", "clerk", "agent")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    logged = {"PORTAL_LOG_FORMAT": "json", "PORTAL_LOG_LEVEL": "debug", **PLANTED}
    installation = Installation(tmp_path / "home", logged)
    (installation.home / "executor.token").write_text(TOKEN)
    yield installation
    installation.kill_all()


def figures(site: Installation) -> Parsed:
    token = {"Authorization": f"Bearer {PLANTED['PORTAL_METRICS_TOKEN']}"}
    answer = requests.get(f"{site.address}/metrics", headers=token, timeout=30)
    assert answer.status_code == 200, answer.text
    return parse(answer.text)


def records(text: str) -> list[dict[str, Any]]:
    """Every line is a record."""
    return [json.loads(line) for line in text.split("\n") if line]


def test_a_migration_is_logged_as_records_without_a_secret(
    site: Installation, start_source: Callable[..., DemoSource]
) -> None:
    source = start_source("--documents=30", "--months=2")
    up = site.start_up()
    site.add_source(source)
    batch_no = site.create_batch("2024-01-01", "2024-02-29")
    run = site.trigger({})

    def ended() -> bool:
        return bool(site.json("batch", "show", batch_no)["run_status"] == "ended")

    wait_for("the end of the batch", ended, 120)
    # What goes wrong is logged, too: with the secret in the way, hostile, and from every side.
    stranger = requests.get(
        f"{site.address}/documents/x%0a{{}}?token={TOKEN}",
        headers={"Authorization": "Bearer planted-header", "Cookie": "imgmig=planted-cookie"},
        timeout=10,
    )
    requests.post(
        f"{site.address}/xxl-job/run", headers={"XXL-JOB-ACCESS-TOKEN": "planted-wrong"}, timeout=10
    )
    source.kill()
    os.kill(site.processes("worker", "--clerk")[0], signal.SIGKILL)
    wait_for("the record of it", lambda: "starting it again" in up.err)
    wait_for("the clerk again", lambda: site.processes("worker", "--clerk"))
    up.stop(signal.SIGTERM, 60)

    logged = records(up.err)
    assert {record["process"] for record in logged} >= set(SEEN)
    for record in logged:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
        assert {"level", "logger", "message", "process", "host", "pid"} <= record.keys()
    own = [one for one in logged if one.get("request_id") == stranger.headers["X-Request-ID"]]
    assert [one["status"] for one in own if "status" in one] == [stranger.status_code]
    followed = [one for one in logged if one.get("job_log_id") == run["logId"]]
    assert followed
    failed = [one for one in logged if one["logger"] == "portal.services.desk"]
    assert {one["batch_no"] for one in failed} == {batch_no}
    assert all(isinstance(one["document"], int) for one in failed)
    everything = up.err + up.out
    for secret in (
        *PLANTED.values(),
        TOKEN,
        source.client_secret,
        "planted-header",
        "planted-cookie",
    ):
        assert secret not in everything
    first = (site.home / "first-admin.password").read_text().strip()
    assert first
    assert first not in everything
    assert (site.home / "first-admin.password").stat().st_mode & 0o077 == 0


def test_figures_are_right_over_all_web_processes(site: Installation) -> None:
    up = site.start_up()
    before = figures(site)
    address = f"{site.address}/login"
    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(lambda _: requests.get(address, timeout=30), range(200)))
    assert all(answer.status_code == 200 for answer in answers)
    route = {"method": "GET", "route": "/login", "status": "200"}

    def answered(page: Parsed) -> float:
        return page.sum("imgmig_http_requests_total", **route)

    assert answered(figures(site)) - answered(before) == 200
    # A web process that is killed takes nothing with it.
    web = [pid for pid in site.processes("imgmig", "web") if pid not in site.processes("up")]
    children = [pid for pid in web if _parent_of(pid) in web]
    os.kill(children[0], signal.SIGKILL)
    wait_for("a new process", lambda: len(site.processes("imgmig", "web")) == len(web))
    assert answered(figures(site)) - answered(before) == 200
    page = wait_for("all kinds of processes", lambda: _complete(figures(site)))
    assert page.sum("imgmig_process_resident_memory_bytes", kind="worker") > 1e7
    assert page.value("imgmig_check_ok", check="agent") == 1
    assert requests.get(f"{site.address}/metrics", timeout=10).status_code == 401
    assert up.is_running()


def test_readiness_is_an_exit_code(site: Installation) -> None:
    assert site.run("db", "upgrade").code == 0
    nothing = site.start("ready", "--json").ended()
    assert nothing.code == 1
    checks = {check["check"]: check["code"] for check in nothing.json["checks"]}
    assert checks["agent"] == "NO_AGENT_ALIVE"
    assert checks["ledger"] is None
    site.start_up()
    wait_for("ready", lambda: site.start("ready").ended().code == 0)
    for kind in ("web", "worker", "clerk", "agent"):
        ended = site.start("ready", "--process", kind).ended()
        assert ended.code == 0, (kind, ended)
    (agent,) = site.processes("agent")
    os.kill(agent, signal.SIGSTOP)
    stopped = ("ready", "--process", "agent")
    gone = wait_for("its silence", lambda: _not_ready(site, *stopped), 60)
    assert "PROCESS_NOT_ALIVE" in gone
    os.kill(agent, signal.SIGCONT)
    wait_for("its return", lambda: site.start(*stopped).ended().code == 0, 60)


def _not_ready(site: Installation, *arguments: str) -> str:
    ended = site.start(*arguments).ended()
    assert ended.code in (0, 1), ended
    return ended.out if ended.code else ""


def _complete(page: Parsed) -> Parsed | None:
    kinds = ("web", "worker", "clerk", "agent")
    return page if all(page.value("imgmig_processes", kind=kind) for kind in kinds) else None


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
