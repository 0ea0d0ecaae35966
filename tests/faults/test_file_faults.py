"""Every fault that a file or a row can have, in one batch of a real installation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from portal.sync.transfer.retry import MAX_ATTEMPTS
from tests.faults.behaviours import redirect
from tests.faults.fault_server import FILES
from tests.faults.faulty_site import FaultySite, Outcome, check_texts, faulty_site
from tests.faults.file_faults import Fault, file_faults, throttled
from tests.faults.row_faults import RowFault, row_faults

# The back-offs of five attempts and the stalls, all at the same time.
pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

MONTH = "2024-01"
LOOP = f"{FILES}loop"
RETRY_AFTER_SLACK = 0.05


@dataclass
class Run:
    """The batch that met everything, after its end."""

    site: FaultySite
    faults: dict[str, Fault] = field(default_factory=dict)
    rows: dict[str, RowFault] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    good: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def add_fault(self, fault: Fault) -> str:
        """A document whose second file has the fault, and a good one beside it."""
        image_no = f"FAULT{len(self.faults):03d}"
        second = f"{image_no}-2"
        row = self.site.tenant.add(MONTH, image_no, f"{image_no}-1", second)
        row["files"][1].update(fault.file)
        self.site.server.script(second, *fault.tries, ever=fault.ever)
        self.faults[image_no] = fault
        self._add_good(f"GOOD{len(self.faults):03d}")
        return image_no

    def add_row(self, fault: RowFault) -> None:
        image_no = f"ROW{len(self.rows):03d}"
        row = self.site.tenant.add(MONTH, image_no, f"{image_no}-1", f"{image_no}-2")
        fault.spoil(row)
        self.rows[image_no] = fault

    def _add_good(self, image_no: str) -> None:
        self.site.tenant.add(MONTH, image_no, f"{image_no}-1", f"{image_no}-2", custom="kept")
        self.good.append(image_no)

    @property
    def synced(self) -> int:
        faults = [fault for fault in self.faults.values() if fault.code is None]
        return len(self.good) + len(faults)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with faulty_site(tmp_path_factory.mktemp("files") / "home") as site:
        run = Run(site)
        _plan(run)
        site.start()
        batch_no = site.run_batch(MONTH, MONTH)
        run.report = site.wait_until_ended(batch_no)
        run.outcomes = site.outcomes(batch_no)
        yield run


def _plan(run: Run) -> None:
    site = run.site
    site.server.script("loop", ever=redirect(LOOP))
    for fault in file_faults(site.listed.url, site.unlisted.url, LOOP):
        image_no = run.add_fault(fault)
        body = site.tenant.bodies[f"{image_no}-2"]
        if "allowed host" in fault.name:
            site.listed.bodies |= {"/moved": body, "/direct": body}
    for row_fault in row_faults():
        run.add_row(row_fault)
    for fault, seconds in throttled():
        run.waits[run.add_fault(fault)] = seconds


def test_every_document_ends_as_its_fault_demands(run: Run, subtests: pytest.Subtests) -> None:
    for image_no, fault in run.faults.items():
        with subtests.test(fault.name):
            outcome = run.outcomes[image_no]
            status = "failed" if fault.code else "synced"
            assert (outcome.status, outcome.code) == (status, fault.code), outcome
            if fault.attempts is not None:
                assert outcome.attempts == fault.attempts
            least, most = fault.bounds
            assert least <= len(run.site.server.fetches(f"{image_no}-2")) <= most


def test_a_row_that_breaks_the_contract_fails_alone(run: Run, subtests: pytest.Subtests) -> None:
    nameless = [one.image_no for one in run.outcomes.values() if one.code == "META_NO_IMAGE_NO"]
    assert len(nameless) == 2
    assert all(image_no.startswith("ROW-") for image_no in nameless)
    for image_no, fault in run.rows.items():
        with subtests.test(fault.name):
            if fault.code != "META_NO_IMAGE_NO":
                outcome = run.outcomes[image_no]
                assert (outcome.status, outcome.code) == ("failed", fault.code), outcome
            if not fault.fetched:
                assert run.site.server.fetches(f"{image_no}-1") == []


def test_good_documents_arrive_among_all_the_others(run: Run) -> None:
    states = {run.outcomes[image_no].status for image_no in run.good}
    assert states == {"synced"}
    assert run.report["done"] == run.synced
    assert run.report["done"] + run.report["failed"] == run.report["total"] == len(run.outcomes)
    assert run.report["sync_status"] == "partial"


def test_what_the_source_tells_beyond_the_contract_is_kept(run: Run) -> None:
    kept = 'SELECT count(*) FROM documents WHERE source_metadata LIKE \'%"custom": "kept"%\''
    assert run.site.query(kept) == [(len(run.good),)]


def test_the_archive_holds_what_is_synced_and_nothing_else(run: Run) -> None:
    run.site.check_archive(run.synced)


def test_every_failure_says_what_happened_and_what_to_do(run: Run) -> None:
    failed = [outcome for outcome in run.outcomes.values() if outcome.status == "failed"]
    assert failed
    for outcome in failed:
        assert outcome.code is not None
        check_texts(outcome.code, outcome.params)
    assert all(failure["action"] for failure in run.report["failures"])


def test_no_token_leaves_the_source(run: Run) -> None:
    run.site.check_tokens()
    assert {one.path for one in run.site.listed.seen} == {"/moved", "/direct"}
    files = [one for one in run.site.server.seen if one.path.startswith(FILES)]
    assert all(one.headers["authorization"].startswith("Bearer ") for one in files)


def test_no_file_is_fetched_more_often_than_its_attempts(run: Run) -> None:
    fetched = run.site.server.fetched()
    for image_no, outcome in run.outcomes.items():
        fault = run.faults.get(image_no)
        if fault is None or fault.fetches is None:
            for number in (1, 2):
                assert fetched[f"{image_no}-{number}"] <= min(outcome.attempts, MAX_ATTEMPTS)
    assert max(fetched[f"{image_no}-1"] for image_no in run.good) == 1


def test_a_source_that_wants_to_be_left_alone_is(run: Run, subtests: pytest.Subtests) -> None:
    for image_no, seconds in run.waits.items():
        with subtests.test(run.faults[image_no].name):
            first, second = run.site.server.fetches(f"{image_no}-2")
            assert second.at - first.at >= seconds - RETRY_AFTER_SLACK
