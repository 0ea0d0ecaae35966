"""A double of the flagship and a connection to it."""

from __future__ import annotations

from typing import Any

import requests

from portal.demo.flagship import CREDENTIALS
from portal.sync.targets.connection import FlagshipConnection


def connection_to(url: str, **changes: Any) -> FlagshipConnection:
    settings: dict[str, Any] = {
        "base_url": url,
        "app_id": CREDENTIALS["appId"],
        "app_secret": CREDENTIALS["appSecret"],
        "account_id": CREDENTIALS["accountId"],
        "tenant_id": CREDENTIALS["tenantid"],
        "user": CREDENTIALS["user"],
        "user_type": CREDENTIALS["usertype"],
    }
    return FlagshipConnection(**{**settings, **changes})


class Double:
    """What a double holds and is told, beside its API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def bills(self) -> dict[str, Any]:
        return self._get("bills")

    def statistics(self) -> dict[str, Any]:
        return self._get("statistics")

    def misbehave(self, **faults: Any) -> None:
        answer = requests.put(f"{self.url}/_demo/faults", json=faults, timeout=10)
        assert answer.status_code == 200, answer.text

    def _get(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = requests.get(f"{self.url}/_demo/{name}", timeout=10).json()
        return told
