from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.demo.api import create_demo_source
from portal.demo.options import DemoOptions

LOGIN = "/archivebase/scan/login/token"


def log_in(client: FlaskClient) -> None:
    """Get a token as the contract says and send it from now on."""
    credentials = client.get("/_demo/credentials", buffered=True).get_json()
    client_id, secret = credentials["clientId"], credentials["clientSecret"]
    timestamp = 1704067200000
    sign = hashlib.md5(f"{client_id}{secret}{timestamp}".encode()).hexdigest()
    body = {"clientId": client_id, "sign": sign, "timestamp": timestamp, "fsource": 99}
    token = client.post(LOGIN, json=body, buffered=True).get_json()["data"]["accessToken"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"


@pytest.fixture(name="log_in")
def log_in_fixture() -> Callable[[FlaskClient], None]:
    return log_in


@pytest.fixture
def connect() -> Callable[..., FlaskClient]:
    """Makes a logged-in client of a new demo source."""

    def connect(options: DemoOptions | None = None, **parts: Any) -> FlaskClient:
        client = create_demo_source(options or DemoOptions(), **parts).test_client()
        log_in(client)
        return client

    return connect


@pytest.fixture
def client(connect: Callable[..., FlaskClient]) -> FlaskClient:
    """A logged-in client of the default tenant."""
    return connect()


@pytest.fixture
def ask() -> Callable[..., dict[str, Any]]:
    """Asks for a count or a listing; everything of the default tenant unless told otherwise."""

    def ask(client: FlaskClient, call: str, **fields: Any) -> dict[str, Any]:
        body: dict[str, Any] = {
            "collectFrom": "2024-01-01T00:00:00+08:00",
            "collectTo": "2024-07-01T00:00:00+08:00",
            "orgCodes": [],
            "billTypeCodes": [],
        }
        if call == "documents":
            body |= {"pageNo": 1, "pageSize": 500}
        url = f"/imgsys/migrate/v1/{call}"
        answer = client.post(url, json=body | fields, buffered=True).get_json()
        assert answer["errcode"] == "0000", answer
        data: dict[str, Any] = answer["data"]
        return data

    return ask
