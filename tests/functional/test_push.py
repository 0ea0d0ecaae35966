"""From the source through the archive to the flagship, by real processes; kill -9 on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.functional.installation import DemoSource, Installation, kill, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]
TENANT = ("--documents", "60", "--months", "3", "--mean-size", "40000")
TARGET = "旗舰版"

StartSource = Callable[..., DemoSource]


class DemoTarget:
    """A demo target as a process of its own."""

    def __init__(self, site: Installation) -> None:
        process = site.start("demo-target", "--bind", "127.0.0.1:0")

        def announced() -> str | None:
            assert process.is_running(), process.err
            lines = process.out.splitlines()
            return lines[0].rsplit(" ", 1)[-1] if lines else None

        self.url = wait_for("the demo target's address", announced)

    def told(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(f"{self.url}/_demo/{name}", timeout=10).json()
        return answer

    def switch(self, **faults: Any) -> None:
        requests.put(f"{self.url}/_demo/faults", json=faults, timeout=10).raise_for_status()

    def add_to(self, site: Installation) -> None:
        credentials = self.told("credentials")
        ended = site.run(
            *("target", "add", TARGET, "--url", self.url, "--app-id", credentials["appId"]),
            *("--account-id", credentials["accountId"], "--tenant-id", credentials["tenantid"]),
            *("--user", credentials["user"]),
            APP_SECRET=credentials["appSecret"],
        )
        assert ended.code == 0, ended


def archived(folder: Path) -> list[str]:
    """The digests of the files of each document, as the archive itself has them."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


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
    pushed = sorted(sorted(one["sha256"] for one in bill["files"]) for bill in bills.values())
    assert pushed == sorted(archived(folder) for folder in site.archived_folders())
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
