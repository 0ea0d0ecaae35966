"""A thousand documents from a manifest through the archive to the flagship; kill -9 on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.cli import demo_manifest
from portal.demo.defects import Defect
from tests.functional.demo_target import TARGET, DemoTarget, digests_of
from tests.functional.installation import Installation, kill, wait_for

assert demo_manifest  # what the forked commands need
pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]
DOCUMENTS = 1000
# A manifest may leave out a file's name, which is one of the sample's defects.
HEALTHY = DOCUMENTS - len(Defect) + 1
SECONDS = 300.0


@pytest.fixture
def target(tmp_path: Path) -> Iterator[DemoTarget]:
    """A demo target that outlives whatever is killed of the installation."""
    elsewhere = Installation(tmp_path / "elsewhere")
    yield DemoTarget(elsewhere)
    elsewhere.kill_all()


def test_nothing_is_lost_and_nothing_is_pushed_twice(
    site: Installation, target: DemoTarget, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    options = (f"--documents={DOCUMENTS}", "--months=4", "--mean-size=40000")
    site.run("db", "upgrade")
    assert site.run("demo-manifest", str(folder), *options).code == 0
    added = site.run("source", "add", "清单", "--kind", "manifest", "--set", f"place={folder}")
    assert added.code == 0, added
    target.add_to(site)
    site.start_up()
    scope = ("--source", "清单", "--from", "2024-01-01", "--to", "2024-04-30")
    number = str(site.json("batch", "create", *scope, "--push-to", TARGET)["batch_no"])
    site.trigger({"batch": number})

    def archived() -> int:
        return len(site.archived_folders())

    def confirmed() -> int:
        return int(site.json("batch", "push-status", number)["confirmed"])

    wait_for("a part archived", lambda: archived() >= HEALTHY // 4, SECONDS)
    kill(*site.processes("--one"))
    wait_for("a part confirmed", lambda: confirmed() >= HEALTHY // 4, SECONDS)
    kill(*site.processes("imgmig pusher"))
    wait_for("half of them confirmed", lambda: confirmed() >= HEALTHY // 2, SECONDS)
    kill(*site.processes())
    site.wait_until_gone()
    site.start_up()
    report = site.wait_until_ended(number)
    wait_for("all confirmed", lambda: confirmed() >= report["done"], SECONDS)

    assert (report["done"], report["total"] - report["failed"]) == (HEALTHY, HEALTHY)
    assert (archived(), len(target.told("bills"))) == (HEALTHY, HEALTHY)
    assert target.held() == digests_of(site)
    assert site.json("verify")["documents"] == HEALTHY
    checked = site.json("target", "reconcile", TARGET, "--batch", number)
    assert (checked["looked_at"], checked["missing"]) == (HEALTHY, 0)
