"""文件下载 with the demo source and real workers: the chosen documents of a batch that waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from portal.app import create_app
from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import fetches
from portal.services.selection import Selection
from portal.settings import read_settings
from tests.functional.installation import DemoSource, Installation, wait_for

pytestmark = pytest.mark.processes
CHOSEN = 7


def ask_the_ledger(site: Installation, query: str) -> list[int]:
    with closing(sqlite3.connect(site.home / "ledger.db", timeout=10)) as ledger:
        return [int(number) for (number,) in ledger.execute(query)]


def fetch(site: Installation, selection: Selection) -> int:
    """Ask for it as the page does."""
    settings = {k: v for k, v in site.environment().items() if k.startswith(("IMGMIG", "PORTAL"))}
    with create_app(read_settings(settings)).app_context():
        portal = current_portal()
        with portal.ledger.write() as session:
            chore = fetches.ask(
                session, selection, permanent_too=False, by="周敏", now=utc_now()
            ).id
        portal.ledger.close()
        portal.queue.close()
    return chore


def is_done(site: Installation, chore: int) -> bool:
    (status,) = ask_the_ledger(site, f"SELECT status = 'done' FROM chores WHERE id = {chore}")
    return bool(status)


def test_chosen_documents_of_a_paused_batch_are_fetched_and_it_goes_on_waiting(
    site: Installation, start_source: Callable[..., DemoSource]
) -> None:
    source = start_source("--documents", "120", "--mean-size", "40000", "--fault=latency=0.3")
    site.add_source(source)
    site.start_up()
    batch_no = site.create_batch()
    site.trigger({"batch": batch_no})
    wait_for("a listing", lambda: site.show(batch_no)["counted"])
    assert site.run("batch", "pause", batch_no).code == 0
    wait_for("no lease", lambda: site.leased() == 0)
    before = site.show(batch_no)
    source.switch()
    pending = ask_the_ledger(
        site,
        "SELECT document_id FROM batch_items WHERE status = 'pending' ORDER BY id DESC"
        f" LIMIT {CHOSEN}",
    )
    assert len(pending) == CHOSEN
    chore = fetch(site, Selection(document_ids=tuple(pending)))
    wait_for("the end of the fetch", lambda: is_done(site, chore))
    after = site.show(batch_no)
    decided = after["done"] + after["failed"]
    assert decided - before["done"] - before["failed"] == CHOSEN
    assert (after["run_status"], after["paused_by"]) == ("waiting", before["paused_by"])
    # The rest of it, by its number and from the command line, and it is still not started.
    rest = int(site.json("batch", "fetch", batch_no)["fetch"])
    wait_for("the end of the other fetch", lambda: is_done(site, rest))
    assert site.show(batch_no)["pending"] == 0
    assert site.show(batch_no)["run_status"] == "waiting"
    assert site.run("batch", "resume", batch_no).code == 0
    report = site.wait_until_ended(batch_no)
    assert report["done"] == source.healthy()
    assert site.json("verify")["findings"] == []
    # What came of it, as a file and in the trail.
    made = site.json("export", "failures", "--format", "jsonl", "--output", "failures.jsonl")
    assert made["rows"] == report["failed"]
    assert site.json("audit", "verify")["faults"] == []
