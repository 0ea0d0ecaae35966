"""What the tests of outages ask an installation: its holds, its trail, its job logs, its pages."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Any

import requests

from portal.sync.transfer.retry import MAX_ATTEMPTS
from tests.functional.installation import DemoSource, Installation, wait_for

SMALL_FILES = "--mean-size=40000"


class OutageSite:
    """An installation that is watched while something it needs is away."""

    def __init__(self, site: Installation) -> None:
        self.site = site

    def start_batch(self, source: str, first: str = "2024-01-01", last: str = "2024-01-31") -> str:
        batch_no = self.site.create_batch(first, last, source=source)
        assert self.site.run("batch", "run", batch_no).code == 0
        return batch_no

    def holds(self, batch_no: str) -> list[tuple[str, str | None]]:
        """Code and organisation of what holds the batch."""
        return [(hold["code"], hold["org"]) for hold in self.site.show(batch_no)["holds"]]

    def wait_until_held(self, batch_no: str, code: str, org: str | None = None) -> None:
        wait_for(f"{code} of {batch_no}", lambda: self.holds(batch_no) == [(code, org)])

    def wait_for_probes(self, code: str, count: int) -> None:
        """Until the hold was probed in vain so often."""
        look = "SELECT 1 FROM holds WHERE code = ? AND key IS NOT NULL AND probes >= ?"
        wait_for(f"{count} probes of {code}", lambda: self.query(look, code, count))

    def wait_until_nothing_is_leased(self) -> None:
        wait_for("nothing leased", lambda: self.site.leased() == 0)

    def check_running_and_nobody_blamed(self, batch_no: str) -> None:
        """Whatever has failed, failed for what is wrong with it."""
        report = self.site.show(batch_no)
        assert report["run_status"] == "running"
        codes = {failure["code"] for failure in report["failures"]}
        assert {code.split("_")[0] for code in codes} <= {"META", "FILE"}, codes

    def notices(self, action: str = "hold.open") -> list[str]:
        """The reasons of the events of one kind in the trail, the oldest first."""
        rows = self.query("SELECT reason FROM audit_events WHERE action = ? ORDER BY id", action)
        return [reason for (reason,) in rows]

    def items(self) -> list[tuple[Any, ...]]:
        """What the ledger says of every document, but for when it is due."""
        return self.query("SELECT id, status, attempts, error_code FROM batch_items ORDER BY id")

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.site.home / "ledger.db", timeout=10)) as ledger:
            return ledger.execute(statement, values).fetchall()

    def log_in(self) -> requests.Session:
        """A person's browser."""
        assert self.site.run("user", "add", "zhou", "--password", "outages-are-many").code == 0
        browser = requests.Session()
        address = f"{self.site.address}/login"
        page = browser.get(address, timeout=10).text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert token, page
        form = {"csrf_token": token[1], "name": "zhou", "password": "outages-are-many"}
        assert browser.post(address, data=form, timeout=10).ok
        return browser

    def check_complete(self, source: DemoSource, batch_no: str) -> None:
        """All that can be migrated is there, nothing twice, and only planted defects failed."""
        report = self.site.wait_until_ended(batch_no)
        planted = {defect["code"] for defect in source.expected()["defects"]}
        assert report["done"] == source.healthy()
        failures = self.site.show(batch_no)["failures"]
        assert {failure["code"] for failure in failures} <= planted
        assert source.most_downloads_of_a_file() <= MAX_ATTEMPTS

    def check_archive(self) -> None:
        assert self.site.json("verify")["findings"] == []
        assert self.site.incoming_files() == []
