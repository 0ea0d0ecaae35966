"""SIGTERM and Ctrl-C in mid-batch: everything ends soon, and the next start goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.functional.installation import DemoSource, Installation, wait_for

pytestmark = pytest.mark.processes

StartSource = Callable[..., DemoSource]
TENANT = ("--documents", "120", "--mean-size", "40000")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_processes_end_and_the_next_start_goes_on(
    site: Installation, start_source: StartSource, number: signal.Signals
) -> None:
    source = start_source(*TENANT, "--fault=latency=0.3")
    site.add_source(source)
    up = site.start_up()
    batch = site.create_batch()
    site.trigger({"batch": batch})
    site.wait_until_some_are_done(batch)
    ended = up.stop(number, seconds=15)
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert site.processes() == []
    assert site.leased() == 0
    assert site.incoming_files() == []
    source.switch()
    site.start_up()
    report = site.wait_until_ended(batch)
    assert report["done"] == source.healthy()
    assert site.json("verify")["findings"] == []
    assert source.most_downloads_of_a_file() <= 2


def test_a_stop_does_not_wait_for_a_source_that_hangs(
    site: Installation, start_source: StartSource
) -> None:
    source = start_source(*TENANT, "--fault=latency=100")
    site.add_source(source)
    up = site.start_up()
    site.trigger({"batch": site.create_batch()})
    wait_for("a call to the source", source.calls)
    assert up.stop(signal.SIGTERM, seconds=20).code == 0
    assert site.processes() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_each_process_alone_ends(site: Installation, number: signal.Signals) -> None:
    assert site.run("db", "upgrade").code == 0
    running = [site.start(name) for name in ("web", "worker", "agent")]
    site.wait_until_ready(*running)
    for one in running:
        ended = one.stop(number, seconds=15)
        assert ended.code == 0, (one.name, ended)
        assert "Traceback" not in ended.err
    assert site.processes() == []
