from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

from portal.demo.options import DemoOptions

Ask = Callable[..., dict[str, Any]]
Connect = Callable[..., FlaskClient]


def test_expected_is_what_count_says(client: FlaskClient, ask: Ask) -> None:
    expected = client.get("/_demo/expected").get_json()
    count = ask(client, "count")

    assert [expected[key] for key in ("documents", "files", "bytes")] == [
        count[key] for key in ("documents", "files", "bytes")
    ]


def test_credentials_come_from_the_seed_or_the_options(connect: Connect) -> None:
    first, same, other, own = (
        connect(options).get("/_demo/credentials").get_json()
        for options in (
            DemoOptions(seed=1),
            DemoOptions(seed=1),
            DemoOptions(seed=2),
            DemoOptions(client_id="our-id", client_secret="our-secret"),
        )
    )

    assert first == same
    assert first["clientSecret"] != other["clientSecret"]
    assert own == {"clientId": "our-id", "clientSecret": "our-secret"}


def test_overview_needs_no_token(client: FlaskClient) -> None:
    client.environ_base.pop("HTTP_AUTHORIZATION")
    overview = client.get("/_demo/").get_json()

    assert overview["documents"] == 240
    assert overview["credentials"] == client.get("/_demo/credentials").get_json()
    assert overview["faults"] == client.get("/_demo/faults").get_json()


def test_statistics_count_calls_bytes_and_repeated_downloads(client: FlaskClient, ask: Ask) -> None:
    ask(client, "count")
    ask(client, "documents")
    sizes = [
        len(client.get(f"/imgsys/migrate/v1/files/{file_id}", buffered=True).data)
        for file_id in ("f-000001-1", "f-000002-1", "f-000001-1", "f-000001-1")
    ]
    client.get("/imgsys/migrate/v1/files/f-999999-1", buffered=True)
    statistics = client.get("/_demo/statistics").get_json()

    assert statistics == {
        "calls": {"token": 1, "count": 1, "documents": 1, "files": 5},
        "throttled": 0,
        "bytesSent": sum(sizes),
        "inFlight": 1,  # this one
        "mostInFlight": 1,
        "repeatedDownloads": {"f-000001-1": 3},
    }
