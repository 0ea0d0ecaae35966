"""Control calls of a source that does not come on: none keeps a worker for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from portal.errors import SyncError
from portal.sync.sources.connection import Connection
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.sources.rows import Scope
from tests.faults.behaviours import drip_body, drip_head, stall_before_head, stall_in_body
from tests.faults.fault_server import CLIENT_ID, CLIENT_SECRET, Behaviour, FaultServer
from tests.faults.faulty_site import check_texts
from tests.faults.tenant import Tenant

pytestmark = pytest.mark.faults

JANUARY = Scope(datetime(2023, 12, 31, 16, tzinfo=UTC), datetime(2024, 1, 31, 16, tzinfo=UTC))
SLOW: dict[str, Behaviour] = {
    "no head": stall_before_head,
    "half a body": stall_in_body,
    "a head byte by byte": drip_head(0.05),
    "a body byte by byte": drip_body(0.05),
}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    tenant = Tenant()
    for number in range(40):
        tenant.add("2024-01", f"DOC{number}", f"DOC{number}-1")
    with closing(FaultServer(tenant)) as server:
        yield server


@pytest.mark.parametrize("key", ["token", "count 2024-01", "documents 2024-01 1"])
@pytest.mark.parametrize("name", SLOW)
def test_a_call_that_does_not_come_on_ends(server: FaultServer, key: str, name: str) -> None:
    server.script(key, SLOW[name])
    connection = Connection(server.url, CLIENT_ID, CLIENT_SECRET, read_timeout=0.2)
    with closing(PiaozoneSource(connection)) as source:
        with pytest.raises(SyncError) as caught:
            _list(source)
        assert caught.value.code == "SRC_TIMEOUT"
        assert not caught.value.permanent
        check_texts(caught.value.code, caught.value.params)
    # Anew: a token call that failed slowly is not repeated at once.
    with closing(PiaozoneSource(connection)) as source:
        assert source.count(JANUARY).documents == 40


def _list(source: PiaozoneSource) -> None:
    source.count(JANUARY)
    source.page(JANUARY, 1)
