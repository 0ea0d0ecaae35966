"""A whole source that fails: whatever the engine does meanwhile, in the end everything is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.faults.behaviours import hang_up, html, status
from tests.faults.fault_server import Behaviour, Exchange, FaultServer, well
from tests.faults.faulty_site import FaultySite, faulty_site
from tests.functional.installation import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

DOCUMENTS = 30
UNTOUCHED = 15
#: What the engine does with an outage is its own affair; it has so many seconds of it.
OUTAGE_SECONDS = 4.0


@dataclass(frozen=True)
class Outage:
    begin: Callable[[FaultServer], None]
    end: Callable[[FaultServer], None]


def everything(behaviour: Behaviour) -> Outage:
    """Every request meets the same."""
    return Outage(
        lambda server: setattr(server, "everything", behaviour),
        lambda server: setattr(server, "everything", None),
    )


OUTAGES = {
    "2024-01": Outage(FaultServer.refuse, FaultServer.listen),
    "2024-02": everything(hang_up),
    "2024-03": everything(html(content_type="text/html")),
    "2024-04": everything(status("503 Service Unavailable")),
    "2024-05": Outage(
        lambda server: setattr(server, "refusing_tokens", True),
        lambda server: setattr(server, "refusing_tokens", False),
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultySite]:
    with faulty_site(tmp_path_factory.mktemp("outages") / "home") as site:
        for month in (*OUTAGES, "2024-06"):
            for number in range(DOCUMENTS):
                site.tenant.add(month, *(f"{month}-{number:02d}{end}" for end in ("", "-1", "-2")))
        site.start()
        yield site


@pytest.mark.parametrize(
    "month", OUTAGES, ids=["refused", "hangs up", "login page", "503", "no token is good"]
)
def test_after_an_outage_in_mid_batch_everything_arrives(site: FaultySite, month: str) -> None:
    """Half of the documents wait in their downloads until the outage has begun."""
    begun = threading.Event()

    def wait_and_fail(exchange: Exchange) -> bool:
        return not begun.wait(30) and well(exchange)

    for number in range(UNTOUCHED, DOCUMENTS):
        site.server.script(f"{month}-{number:02d}-2", wait_and_fail)
    batch_no = site.run_batch(month, month)
    wait_for("the first half", lambda: _synced(site, batch_no) == UNTOUCHED)
    OUTAGES[month].begin(site.server)
    begun.set()
    since = time.monotonic()
    wait_for("the outage to be felt", lambda: time.monotonic() - since > OUTAGE_SECONDS)
    assert _synced(site, batch_no) == UNTOUCHED
    OUTAGES[month].end(site.server)
    report = site.wait_until_ended(batch_no)
    assert (report["done"], report["failed"]) == (DOCUMENTS, 0)
    assert report["sync_status"] == "complete"
    assert site.site.json("verify")["findings"] == []
    site.check_tokens()


def test_tokens_that_expire_in_mid_batch_cost_nobody_an_attempt(site: FaultySite) -> None:
    had = len(site.server.tokens)
    site.server.calls_per_token = 17
    batch_no = site.run_batch("2024-06", "2024-06")
    report = site.wait_until_ended(batch_no)
    site.server.calls_per_token = 0
    assert (report["done"], report["failed"]) == (DOCUMENTS, 0)
    assert {outcome.attempts for outcome in site.outcomes(batch_no).values()} == {1}
    fetched = site.server.fetched()
    assert {count for file_id, count in fetched.items() if "2024-06" in file_id} == {1}
    assert len(site.server.tokens) - had >= 2 * DOCUMENTS // 17
    site.check_tokens()


def _synced(site: FaultySite, batch_no: str) -> int:
    ((count,),) = site.query("SELECT synced FROM batches WHERE batch_no = ?", batch_no)
    return int(count)
