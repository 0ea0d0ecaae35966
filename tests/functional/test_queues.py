"""A real migration with the queue in each of its stores, which say too much or lose everything."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from portal.tasks.queue import WorkQueue
from tests.functional.installation import DemoSource, Installation, wait_for
from tests.servers.mortal import Mortal

pytestmark = pytest.mark.processes
TENANT = ("--documents", "120", "--mean-size", "40000")
SLOW = "--fault=latency=0.1"
SERVERS = [
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("postgresql", marks=pytest.mark.postgresql),
]
StartSource = Callable[..., DemoSource]


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path, site: Installation) -> Iterator[Mortal]:
    """A server of the test's own, that the installation has its queue on."""
    server = Mortal(request.param, tmp_path / "servers")
    server.start()
    site.settings["PORTAL_QUEUE_URL"] = server.url
    yield server
    server.kill()


@pytest.fixture
def source(start_source: StartSource) -> DemoSource:
    return start_source(*TENANT, SLOW)


def assert_each_document_once(site: Installation, source: DemoSource, *numbers: str) -> None:
    reports = [site.show(number) for number in numbers]
    assert sum(report["done"] for report in reports) == source.healthy()
    verified = site.json("verify")
    assert verified["findings"] == []
    assert verified["documents"] == source.healthy() == len(site.archived_folders())
    assert source.most_downloads_of_a_file() == 1


def reasons(site: Installation) -> list[str]:
    """Why the installation is not ready to work."""
    answer = requests.get(f"{site.address}/readyz", timeout=20)
    told = [str(check["check"]) for check in answer.json()["checks"] if not check["ok"]]
    assert (answer.status_code == 503) == bool(told)
    return told


def repeat_itself(url: str, batch_id: int, times: int) -> None:
    """Say it so often, unless that much is still to be heard."""
    queue = WorkQueue(url)
    for _ in range(times - (queue.waiting() or 0)):
        queue.look_at_batch(batch_id)
    queue.close()


def repeated(site: Installation, source: DemoSource, url: str) -> None:
    site.add_source(source)
    number = site.create_batch()
    up = site.start_up()
    run = site.trigger({"batch": number})
    with closing(sqlite3.connect(site.home / "ledger.db")) as ledger:
        [(batch_id,)] = ledger.execute("SELECT id FROM batches").fetchall()
    while wait_for("its report", lambda: site.show(number))["run_status"] != "ended":
        repeat_itself(url, batch_id, 30)
    assert wait_for("the run's end", lambda: site.log_of_ended(run))
    assert_each_document_once(site, source, number)
    assert up.stop(signal.SIGINT).code == 0
    assert "Traceback" not in up.err


def test_messages_said_again_and_again_move_each_document_once(
    site: Installation, source: DemoSource
) -> None:
    repeated(site, source, f"sqlite:///{site.home / 'queue.db'}")


@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_messages_said_again_and_again_by_a_server_move_each_document_once(
    site: Installation, server: Mortal, source: DemoSource
) -> None:
    repeated(site, source, server.url)


def test_a_queue_file_that_is_emptied_again_and_again_costs_no_document(
    site: Installation, source: DemoSource
) -> None:
    site.add_source(source)
    number = site.create_batch()
    up = site.start_up()
    run = site.trigger({"batch": number})
    while site.show(number)["run_status"] != "ended":  # and that takes a moment
        with closing(sqlite3.connect(site.home / "queue.db", timeout=10)) as queue, queue:
            queue.execute("DELETE FROM task")
    assert wait_for("the run's end", lambda: site.log_of_ended(run))
    assert_each_document_once(site, source, number)
    assert up.stop(signal.SIGINT).code == 0


@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_a_queue_server_that_dies_and_comes_back_empty_costs_no_document_and_no_job_run(
    site: Installation, server: Mortal, source: DemoSource
) -> None:
    site.add_source(source)
    first = site.create_batch("2024-01-01", "2024-02-29")
    second = site.create_batch("2024-03-01", "2024-04-30")
    third = site.create_batch("2024-05-01", "2024-06-30")
    up = site.start_up()
    runs = [site.trigger({"batch": first})]
    wait_for("first documents", site.archived_folders)
    server.kill()
    wait_for("word of it", lambda: reasons(site) == ["queue"])
    # What is asked for meanwhile is taken.
    runs.append(site.trigger({"batch": second}))
    assert requests.get(f"{site.address}/login", timeout=20).status_code == 200
    ended = site.run("batch", "run", third)
    assert ended.code == 0, ended
    wait_for("nobody holding work", lambda: site.leased() == 0)
    server.start()
    site.wait_until_ready(up)
    for number in (first, second, third):
        assert site.wait_until_ended(number)["run_status"] == "ended"
    assert wait_for("the second run's end", lambda: site.log_of_ended(runs[1]))
    assert_each_document_once(site, source, first, second, third)
    assert_said_once(up)


def assert_said_once(up: Any) -> None:
    """By each of the processes: two of the web, two workers, an agent."""
    assert up.stop(signal.SIGINT).code == 0
    lines = up.err.splitlines()
    away = [line for line in lines if "QUEUE_UNREACHABLE" in line]
    assert 1 <= len(away) <= 6
    assert any("the queue answers again" in line for line in lines)
    assert "Traceback" not in up.err


@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_an_installation_starts_without_its_queue_server_and_works_when_it_comes(
    site: Installation, server: Mortal, source: DemoSource
) -> None:
    server.kill()
    site.add_source(source)
    number = site.create_batch()
    up = site.start("up")
    wait_for("an answer", lambda: _answers(site) and "queue" in reasons(site))
    run = site.trigger({"batch": number})
    server.start()
    site.wait_until_ready(up)
    assert site.wait_until_ended(number)["run_status"] == "ended"
    assert wait_for("the run's end", lambda: site.log_of_ended(run))
    assert_each_document_once(site, source, number)
    assert_said_once(up)


def _answers(site: Installation) -> bool:
    try:
        return requests.get(f"{site.address}/healthz", timeout=5).ok
    except requests.RequestException:
        return False
