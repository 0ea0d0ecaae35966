"""What a person does with a running batch, and how soon it takes effect."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.functional.installation import DemoSource, Installation, wait_for

pytestmark = pytest.mark.processes
StartSource = Callable[..., DemoSource]
TENANT = ("--documents", "120", "--mean-size", "40000")


@pytest.fixture
def source(start_source: StartSource, site: Installation) -> DemoSource:
    source = start_source(*TENANT, "--fault=latency=0.3")
    site.add_source(source)
    site.start_up()
    return source


def assert_quiet_within_two_seconds(site: Installation, source: DemoSource) -> None:
    """No document is leased, nothing is under way from the source, and it stays so."""
    wait_for("no lease", lambda: site.leased() == 0, seconds=2)
    # The request that asks is one of those in flight.
    wait_for("silence", lambda: source.statistics()["inFlight"] == 1, seconds=2)
    calls = source.calls()
    started = time.monotonic()
    wait_for("a while", lambda: time.monotonic() - started > 1.5)
    assert source.calls() == calls


def test_a_pause_takes_effect_at_once_and_a_resume_finishes(
    site: Installation, source: DemoSource
) -> None:
    batch = site.create_batch()
    run = site.trigger({"batch": batch})
    site.wait_until_some_are_done(batch)
    assert site.run("batch", "pause", batch).code == 0
    assert_quiet_within_two_seconds(site, source)
    paused = site.show(batch)
    assert paused["run_status"] == "waiting"
    assert paused["paused_by"].startswith("cli:")
    log = wait_for("the run's end", lambda: site.log_of_ended(run))
    assert "批次被暂停" in log
    passed_over = site.trigger({"batch": batch})
    assert "跳过" in wait_for("passing over", lambda: site.log_of_ended(passed_over))
    source.switch()
    assert site.run("batch", "resume", batch).code == 0
    report = site.wait_until_ended(batch)
    assert report["done"] == source.healthy()
    assert site.json("verify")["findings"] == []


def test_a_cancel_is_for_good_and_keeps_what_is_archived(
    site: Installation, source: DemoSource
) -> None:
    batch = site.create_batch()
    site.trigger({"batch": batch})
    site.wait_until_some_are_done(batch)
    assert site.run("batch", "cancel", batch).code == 0
    assert_quiet_within_two_seconds(site, source)
    cancelled = site.show(batch)
    assert cancelled["run_status"] == "ended"
    assert cancelled["cancelled_by"].startswith("cli:")
    assert cancelled["synced"] == len(site.archived_folders())
    for action in ("pause", "resume", "run", "retry", "cancel"):
        refused = site.run("batch", action, batch)
        assert refused.code == 2
        assert batch in refused.err
    assert site.run("batch", "delete", batch).code == 0
    assert site.json("batch", "list") == []
    verified = site.json("verify")
    assert verified["findings"] == []
    assert verified["documents"] == cancelled["synced"]
