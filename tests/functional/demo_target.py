"""A demo target as the functional tests have it: a process of its own, and what it was told."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import requests

from tests.functional.installation import Installation, wait_for

TARGET = "旗舰版"


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

    def held(self) -> list[list[str]]:
        """The digests of the files of each bill it holds, in their order."""
        bills = self.told("bills").values()
        return sorted(sorted(one["sha256"] for one in bill["files"]) for bill in bills)


def digests_of(site: Installation) -> list[list[str]]:
    """The digests of the files of each document, as the archive itself has them, likewise."""
    return sorted(_digests(folder) for folder in site.archived_folders())


def _digests(folder: Path) -> list[str]:
    files = [path for path in folder.iterdir() if path.is_file()]
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
