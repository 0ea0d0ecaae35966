"""Real installations lose what they need in mid-batch: they hold, say why once, and go on alone.

What is held by its source or its documents is held in one installation, all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from portal.services.streaks import MOST_FAILURES
from portal.sync.throttle.level import LARGEST_WINDOW
from tests.faults.behaviours import status
from tests.faults.fault_server import CLIENT_ID, CLIENT_SECRET, FaultServer, well
from tests.faults.outage_site import BRISK, OutageSite, demo_source, outage_site
from tests.faults.tenant import Tenant
from tests.functional.installation import DemoSource, Installation, free_port, kill, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

# Claimed when the hold comes: as much as the level allows at once, and as much that waits for it.
MOST_IN_FLIGHT = 2 * LARGEST_WINDOW
OF_EACH_ORG = 250
OF_NO_ORG = 400


class Outages:
    """One installation with a source for every outage; all are held when this is built."""

    def __init__(self, place: OutageSite, start_source: Callable[..., DemoSource]) -> None:
        self.place = place
        self.start_source = start_source
        self.where = (f"--bind=127.0.0.1:{free_port()}", "--documents=240")
        self.refused = start_source(*self.where)
        self.failing = start_source("--documents=240", "--seed=8")
        self.refusing = start_source("--documents=24", "--seed=9")
        self.healthy = start_source("--documents=24", "--seed=10")
        self.server = FaultServer(_tenant())
        self.batches: dict[str, str] = {}

    def begin(self) -> None:
        site = self.place.site
        for name, source in (
            ("断开", self.refused),
            ("报错", self.failing),
            ("正常", self.healthy),
        ):
            site.add_source(source, name)
            source.switch(**BRISK)
        site.add_source(self.refusing, "密钥", secret="wrong")
        fault_server = ("--url", self.server.url, "--client-id", CLIENT_ID)
        site.run("source", "add", "缺失", *fault_server, CLIENT_SECRET=CLIENT_SECRET)
        for file_id in self.gone():
            self.server.script(file_id, ever=status("404 Not Found"))
        site.start_up()
        for name in ("断开", "报错"):
            self.batches[name] = self.place.start_batch(name)
            self.place.wait_until_synced(self.batches[name], 10)
            self._go_down(name)
        self.batches["密钥"] = site.create_batch("2024-01-01", "2024-01-31", source="密钥")
        self.run = site.trigger({"batch": self.batches["密钥"]})
        self.batches["机构"] = self.place.start_batch("缺失")
        self.batches["全部"] = self.place.start_batch("缺失", "2024-02-01", "2024-02-29")
        for name, code, org in (
            ("断开", "SRC_CONNECTION", None),
            ("报错", "SRC_SERVER_ERROR", None),
            ("密钥", "SRC_CREDENTIALS", None),
            ("机构", "SRC_NOT_FOUND", "gone"),
            ("全部", "SRC_NOT_FOUND", None),
        ):
            self.place.wait_until_held(self.batches[name], code, org)

    def _go_down(self, name: str) -> None:
        if name == "断开":
            self.refused.kill()
        else:
            self.failing.switch(down=1)

    def come_back(self, name: str) -> DemoSource:
        if name == "断开":
            self.refused = self.start_source(*self.where)
            return self.refused
        self.failing.switch()
        return self.failing

    def gone(self) -> list[str]:
        """The files that are missing at the source."""
        return [file_id for file_id in self.server.tenant.bodies if "gone" in file_id]


def _tenant() -> Tenant:
    """In January one organisation's files are gone, beside another's; in February all files."""
    tenant = Tenant()
    for number in range(OF_EACH_ORG):
        for org in ("gone", "there"):
            name = f"{org}-{number:03d}"
            tenant.add("2024-01", name, f"{name}-1", fapplyOrganizationCode=org)
    for number in range(OF_NO_ORG):
        name = f"all-{number:03d}"
        tenant.add("2024-02", name, f"{name}-gone", fapplyOrganizationCode=f"O{number % 3}")
    return tenant


@pytest.fixture(scope="module")
def outages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outages]:
    folder = tmp_path_factory.mktemp("outages")
    home = Installation(folder / "source")
    with outage_site(folder / "home") as place:
        outages = Outages(place, lambda *options: demo_source(home, *options))
        try:
            outages.begin()
            yield outages
        finally:
            place.site.kill_all()
            outages.server.close()
            home.kill_all()


def test_a_healthy_source_goes_on_while_others_are_held(outages: Outages) -> None:
    outages.place.check_complete(outages.healthy, outages.place.start_batch("正常"))


def test_workers_that_are_killed_change_nothing_that_is_held(outages: Outages) -> None:
    place = outages.place
    held = {name: place.holds(batch_no) for name, batch_no in outages.batches.items()}
    before = place.items(outages.batches.values())
    workers = place.site.processes("worker", "--one")
    kill(*workers)

    def replaced() -> bool:
        there = place.site.processes("worker", "--one")
        return len(there) == len(workers) and not set(there) & set(workers)

    wait_for("new workers", replaced)
    place.site.wait_until_ready()
    assert place.items(outages.batches.values()) == before
    assert {name: place.holds(no) for name, no in outages.batches.items()} == held


def test_wrong_credentials_hold_until_they_are_corrected(outages: Outages) -> None:
    place, batch_no = outages.place, outages.batches["密钥"]
    place.check_running_and_nobody_blamed(batch_no)
    name = "暂缓：源系统拒绝了 clientId"
    wait_for("the job log to name it", lambda: name in place.site.log_of(outages.run))
    place.site.add_source(outages.refusing, "密钥")
    place.check_complete(outages.refusing, batch_no)
    assert place.notices("hold.open", source="密钥") == ["SRC_CREDENTIALS"]
    assert place.notices("hold.lift", source="密钥") == ["SRC_CREDENTIALS"]


def test_an_organisation_whose_files_are_gone_is_held_alone(outages: Outages) -> None:
    place, batch_no = outages.place, outages.batches["机构"]
    wait_for("the other one", lambda: place.site.show(batch_no)["synced"] == OF_EACH_ORG)
    place.wait_until_held(batch_no, "SRC_NOT_FOUND", "gone")
    failed = place.site.show(batch_no)["failed"]
    assert MOST_FAILURES <= failed <= MOST_FAILURES + MOST_IN_FLIGHT
    for file_id in outages.gone():
        if file_id.startswith("gone"):
            outages.server.script(file_id, ever=well)
    report = place.site.wait_until_ended(batch_no)
    assert (report["done"], report["failed"]) == (2 * OF_EACH_ORG - failed, failed)
    assert place.notices("hold.open", batch_no=batch_no) == ["SRC_NOT_FOUND"]
    assert place.site.run("batch", "retry", batch_no).code == 0
    report = place.site.wait_until_ended(batch_no)
    assert (report["done"], report["failed"]) == (2 * OF_EACH_ORG, 0)


def test_a_person_has_a_held_batch_fail_to_its_end(outages: Outages) -> None:
    place, batch_no = outages.place, outages.batches["全部"]
    failed = place.site.show(batch_no)["failed"]
    assert MOST_FAILURES <= failed <= MOST_FAILURES + MOST_IN_FLIGHT
    assert place.site.run("batch", "lift", batch_no).code == 0
    report = place.site.wait_until_ended(batch_no)
    assert (report["done"], report["failed"], report["holds"]) == (0, OF_NO_ORG, [])
    assert place.notices("hold.open", batch_no=batch_no) == ["SRC_NOT_FOUND"]


@pytest.mark.parametrize("name", ["断开", "报错"], ids=["refused", "503"])
def test_a_source_that_was_down_for_long_costs_no_document(outages: Outages, name: str) -> None:
    place, batch_no = outages.place, outages.batches[name]
    ((code, _),) = place.holds(batch_no)
    place.wait_for_probes(code, 2)
    place.check_running_and_nobody_blamed(batch_no)
    place.check_complete(outages.come_back(name), batch_no)
    assert place.notices("hold.open", source=name) == [code]
    assert place.notices("hold.lift", source=name) == [code]
    place.check_archive()
