"""From the source through the archive to the flagship, by real processes; kill -9 on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.functional.demo_target import TARGET, DemoTarget, digests_of
from tests.functional.installation import DemoSource, Installation, kill, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]
TENANT = ("--documents", "60", "--months", "3", "--mean-size", "40000")

StartSource = Callable[..., DemoSource]


def test_a_pusher_killed_in_the_middle_loses_nothing_and_pushes_nothing_twice(
    site: Installation, start_source: StartSource
) -> None:
    source = start_source(*TENANT)
    site.add_source(source)
    target = DemoTarget(site)
    target.add_to(site)
    assert site.run("target", "test", TARGET).code == 0
    target.switch(latency=0.05, lost_every=50)
    site.start_up()
    scope = ("--source", "演示源", "--from", "2024-01-01", "--to", "2024-03-31")
    number = str(site.json("batch", "create", *scope, "--push-to", TARGET)["batch_no"])
    site.trigger({"batch": number})

    def confirmed(least: int) -> bool:
        told = site.json("batch", "push-status", number)
        assert told["failed"] == 0, told
        return int(told["confirmed"]) >= least

    for least in (3, 12):
        wait_for(f"{least} confirmed", lambda least=least: confirmed(least), 90)  # type: ignore[misc]
        (victim,) = site.processes("imgmig pusher")
        kill(victim)
        wait_for(
            "another pusher",
            lambda old=victim: set(site.processes("imgmig pusher")) - {old},  # type: ignore[misc]
        )
    report = site.wait_until_ended(number)
    assert report["done"] == source.healthy()
    wait_for("all confirmed", lambda: confirmed(report["done"]), 120)

    bills = target.told("bills")
    assert len(bills) == report["done"]
    assert target.held() == digests_of(site)
    again = target.told("statistics")["collectedAgain"]
    # What was under way at a kill, or whose answer was lost, may have been handed over once more.
    assert again <= 2 * 4 + target.told("statistics")["calls"]["fileCollect"] // 40
    checked = site.json("target", "reconcile", TARGET, "--batch", number)
    assert (checked["looked_at"], checked["missing"]) == (report["done"], 0)

    assert site.run("target", "disable", TARGET).code == 0
    wait_for("no pusher any more", lambda: not site.processes("imgmig pusher"))


def test_an_installation_without_a_target_has_no_pusher(
    site: Installation, start_source: StartSource
) -> None:
    site.add_source(start_source(*TENANT))
    site.start_up()
    number = site.create_batch("2024-01-01", "2024-01-31")
    site.trigger({"batch": number})
    site.wait_until_ended(number)
    assert site.processes("imgmig pusher") == []
