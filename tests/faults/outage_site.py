"""What the tests of outages ask an installation: its holds, its trail, its job logs, its pages."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests

from portal.sync.transfer.retry import MAX_ATTEMPTS
from tests.functional.installation import DemoSource, Installation, wait_for

#: Slow enough to be met in mid-batch.
BRISK = {"latency": 0.2}


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

    def wait_until_synced(self, batch_no: str, more_than: int) -> None:
        wait_for("more to be synced", lambda: self.site.show(batch_no)["synced"] > more_than)

    def wait_for_probes(self, code: str, count: int) -> None:
        """Until the hold was probed in vain so often."""
        look = "SELECT 1 FROM holds WHERE code = ? AND key IS NOT NULL AND probes >= ?"
        wait_for(f"{count} probes of {code}", lambda: self.query(look, code, count))

    def check_running_and_nobody_blamed(self, batch_no: str) -> None:
        """Whatever has failed, failed for what is wrong with it."""
        report = self.site.show(batch_no)
        assert report["run_status"] == "running"
        codes = {failure["code"] for failure in report["failures"]}
        assert {code.split("_")[0] for code in codes} <= {"META", "FILE"}, codes

    def notices(self, action: str, *, source: str = "", batch_no: str = "") -> list[str]:
        """The reasons of the events of one kind in the trail, of a source's or of a batch."""
        rows = self.query(
            "SELECT e.reason, e.detail, b.batch_no FROM audit_events e"
            " LEFT JOIN batches b ON b.id = e.batch_id WHERE e.action = ? ORDER BY e.id",
            action,
        )
        return [
            reason
            for reason, detail, number in rows
            if source in ("", json.loads(detail or "{}").get("source")) and batch_no in ("", number)
        ]

    def items(self, batches: Iterable[str]) -> list[tuple[Any, ...]]:
        """What the ledger says of the documents of some batches, but for when they are due."""
        chosen = set(batches)
        rows = self.query(
            "SELECT b.batch_no, i.id, i.status, i.attempts FROM batch_items i"
            " JOIN batches b ON b.id = i.batch_id ORDER BY i.id"
        )
        return [row for row in rows if row[0] in chosen]

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.site.home / "ledger.db", timeout=10)) as ledger:
            return ledger.execute(statement, values).fetchall()

    def log_in(self) -> requests.Session:
        """A person's browser."""
        assert self.site.run("user", "add", "zhou", USER_PASSWORD="outages-are-many").code == 0
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


@contextmanager
def outage_site(home: Path) -> Iterator[OutageSite]:
    """A site that is ended whatever happens."""
    place = OutageSite(Installation(home))
    try:
        yield place
    finally:
        place.site.kill_all()


def demo_source(home: Installation, *options: str) -> DemoSource:
    """A demo source of one month with small files, outside of the site."""
    return DemoSource(home, "--months=1", "--mean-size=40000", *options)
