"""Every fault of count and listing, over real HTTP and a real ledger; only the clock is ours."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from portal.services import holds
from portal.services.discovery import MOST_ATTEMPTS, MOST_ROUNDS
from portal.sync.sources.connection import Connection
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.sources.profile import ConnectorProfile
from tests.faults.fault_server import CLIENT_ID, CLIENT_SECRET, FaultServer
from tests.faults.faulty_site import check_texts
from tests.faults.listing_faults import DOCUMENTS, ListingFault, listing_faults
from tests.faults.tenant import Tenant
from tests.faults.wire import ForeignHost
from tests.portal.conftest import migrated
from tests.portal.ledger_scene import Scene, opened_ledger

pytestmark = pytest.mark.faults

MONTH = "2024-01"
LONGEST_WAIT = 3700
MOST_LOOKS = MOST_ATTEMPTS + 2


@pytest.fixture(scope="module")
def foreign() -> Iterator[ForeignHost]:
    with closing(ForeignHost()) as host:
        yield host


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("schema")
    migrated(home, f"sqlite:///{home / 'empty.db'}")
    return home / "empty.db"


class Listing:
    """One month of five documents on three pages, listed over and over until it is settled."""

    def __init__(self, scene: Scene, server: FaultServer) -> None:
        self.scene = scene
        self.server = server
        self.batch_id = scene.add_batch()
        self.codes: list[str | None] = []

    def script(self, fault: ListingFault) -> None:
        for where in (*fault.scripts, *fault.ever):
            key = f"count {MONTH}" if where == "count" else f"documents {MONTH} {where}"
            self.server.script(key, *fault.scripts.get(where, ()), ever=fault.ever.get(where))

    def run(self) -> None:
        profile = ConnectorProfile.from_mapping({"page_size": 2})
        connection = Connection(self.server.url, CLIENT_ID, CLIENT_SECRET, profile=profile)
        with closing(PiaozoneSource(connection)) as source:
            for _ in range(MOST_LOOKS):
                part = self.scene.slice(self.batch_id)
                if part.listing_status != "open":
                    return
                self.scene.discovery(source).list_slice(part.id)
                self.codes.append(self.scene.slice(self.batch_id).error_code)
                self.scene.advance(LONGEST_WAIT)


@pytest.fixture
def listing(tmp_path: Path, empty: Path) -> Iterator[Listing]:
    shutil.copy(empty, tmp_path / "ledger.db")
    tenant = Tenant()
    for number in range(DOCUMENTS):
        tenant.add(MONTH, f"DOC{number}", f"DOC{number}-1")
    with (
        opened_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger,
        closing(FaultServer(tenant)) as server,
    ):
        yield Listing(Scene(ledger), server)


FAULTS = {fault.name: fault for fault in listing_faults("http://localhost:9")}


@pytest.mark.parametrize("name", FAULTS)
def test_a_month_ends_as_its_fault_demands(
    listing: Listing, foreign: ForeignHost, name: str
) -> None:
    (fault,) = [one for one in listing_faults(foreign.url) if one.name == name]
    listing.script(fault)
    listing.run()
    part = listing.scene.slice(listing.batch_id)
    assert (part.listing_status, part.error_code) == (fault.status, fault.code), listing.codes
    assert part.total == fault.documents
    assert len(listing.codes) <= MOST_ATTEMPTS
    assert part.listing_round <= MOST_ROUNDS
    if fault.first_code:
        assert listing.codes[0] == fault.first_code
    if fault.code:
        check_texts(fault.code, part.error_params or {})
    assert foreign.seen == []


@pytest.mark.parametrize(
    ("name", "short"), [("total too small", True), ("count too large", True), ("HTML", False)]
)
def test_a_month_is_complete_only_with_all_the_source_counted(
    listing: Listing, name: str, short: bool
) -> None:
    listing.script(FAULTS[name])
    listing.run()
    part = listing.scene.slice(listing.batch_id)
    assert part.is_short == short


def test_a_source_that_limits_the_rate_for_an_hour_fails_no_month(listing: Listing) -> None:
    throttled = FAULTS["429"].scripts["count"]
    listing.server.script(f"count {MONTH}", *throttled * (MOST_ATTEMPTS + 1))
    listing.run()
    listing.run()
    part = listing.scene.slice(listing.batch_id)
    assert (part.listing_status, part.error_code, part.total) == ("listed", None, DOCUMENTS)


def test_a_token_that_expires_in_mid_listing_is_renewed(listing: Listing) -> None:
    listing.server.calls_per_token = 2
    listing.run()
    part = listing.scene.slice(listing.batch_id)
    assert (part.listing_status, part.error_code, part.total) == ("listed", None, DOCUMENTS)
    assert listing.codes == [None]
    assert len(listing.server.tokens) == 2


def test_a_source_that_takes_no_token_any_more_is_held(listing: Listing) -> None:
    listing.server.refusing_tokens = True
    listing.run()
    part = listing.scene.slice(listing.batch_id)
    assert (part.listing_status, part.error_code) == ("open", "SRC_UNAUTHORIZED")
    with listing.scene.ledger.read() as session:
        assert [hold.code for hold in holds.in_force(session)] == ["SRC_UNAUTHORIZED"]
