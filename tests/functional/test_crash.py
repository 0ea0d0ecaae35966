"""kill -9 of anything at any moment loses nothing and stores nothing twice."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.installation import DemoSource, Installation, kill, wait_for

pytestmark = pytest.mark.processes
TENANT = ("--documents", "240", "--mean-size", "40000")
SLOW = "--fault=latency=0.2"

StartSource = Callable[..., DemoSource]


def assert_every_document_exactly_once(
    site: Installation, source: DemoSource, report: dict[str, Any], *, kills: int
) -> None:
    expected = source.expected()
    assert report["total"] == expected["documents"]
    assert report["done"] == source.healthy()
    assert report["failed"] == len(expected["defects"])
    assert sum(month["done"] for month in report["months"]) == report["done"]
    verified = site.json("verify")
    assert verified["findings"] == []
    assert verified["documents"] == report["done"] == len(site.archived_folders())
    assert site.incoming_files() == []
    # Each kill may cost a file that was under way one more try.
    assert source.most_downloads_of_a_file() <= 1 + kills


@pytest.fixture
def source(start_source: StartSource, site: Installation) -> DemoSource:
    source = start_source(*TENANT, SLOW)
    site.add_source(source)
    return source


def test_workers_killed_in_mid_batch_come_back_and_finish(
    site: Installation, source: DemoSource
) -> None:
    site.start_up()
    number = site.create_batch()
    site.trigger({"batch": number})
    site.wait_until_some_are_done(number)
    victims = site.processes("worker", "--one")
    assert len(victims) == 2
    kill(*victims)
    wait_for("new workers", lambda: len(set(site.processes("worker", "--one")) - {*victims}) == 2)
    assert site.show(number)["run_status"] == "running"
    report = site.wait_until_ended(number)
    assert_every_document_exactly_once(site, source, report, kills=1)


def test_the_supervisor_of_the_workers_killed_takes_them_along_and_comes_back(
    site: Installation, source: DemoSource
) -> None:
    site.start_up()
    number = site.create_batch()
    site.trigger({"batch": number})
    site.wait_until_some_are_done(number)
    victims = site.processes("imgmig worker")
    children = {*site.processes("worker", "--one"), *site.processes("worker", "--clerk")}
    (head,) = set(victims) - children
    kill(head)
    wait_for("the old workers gone", lambda: not set(victims) & set(site.processes("worker")))
    report = site.wait_until_ended(number)
    assert_every_document_exactly_once(site, source, report, kills=1)


def test_everything_killed_leaves_no_orphan_and_goes_on_at_the_next_start(
    site: Installation, source: DemoSource
) -> None:
    up = site.start_up()
    number = site.create_batch()
    site.trigger({"batch": number})
    before = site.wait_until_some_are_done(number)
    up.stop(signal.SIGKILL)
    site.wait_until_gone(seconds=5)
    site.start_up()
    assert site.show(number)["done"] >= before["done"]
    report = site.wait_until_ended(number)
    assert_every_document_exactly_once(site, source, report, kills=1)


def test_web_and_agent_killed_come_back_and_the_job_run_still_ends(
    site: Installation, source: DemoSource
) -> None:
    up = site.start_up()
    number = site.create_batch()
    run = site.trigger({"batch": number})
    site.wait_until_some_are_done(number)
    for name in ("imgmig web", "imgmig agent"):
        victims = site.processes(name)
        kill(min(victims))
        wait_for(f"{name} again", lambda name=name, old=victims: set(site.processes(name)) - {*old})  # type: ignore[misc]
    site.wait_until_ready(up)
    report = site.wait_until_ended(number)
    assert_every_document_exactly_once(site, source, report, kills=0)
    last_lines = wait_for("the run's end", lambda: site.log_of_ended(run))
    assert "234/240" in last_lines
