"""``imgmig reconcile`` as a script uses it, against the demo source."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.functional.installation import SOURCE, DemoSource, Installation

pytestmark = pytest.mark.processes
StartSource = Callable[..., DemoSource]


def test_it_balances_until_something_is_lost(site: Installation, start_source: StartSource) -> None:
    site.add_source(start_source("--documents=24", "--months=1", "--mean-size=40000"))
    scope = ("reconcile", "--source", SOURCE, "--from", "2024-01")
    before = site.json(*scope)
    assert before["balanced"]
    assert before["months"][0]["parts"]["excluded"]["documents"] == 24
    batch = site.create_batch("2024-01-01", "2024-01-31")
    site.run("batch", "run", batch)
    workers = site.start("worker"), site.start("agent")
    site.wait_until_ended(batch)
    for running in workers:
        running.stop(signal.SIGTERM)
    whole = site.json(*scope, "--reread")
    (month,) = whole["months"]
    assert (whole["balanced"], month["checked"], whole["defects"]) == (True, True, {})
    assert month["source"]["documents"] == 24
    assert month["archive"]["documents"] + month["parts"]["failed"]["documents"] == 24
    assert month["unexplained"] == {"documents": 0, "files": 0, "bytes": 0, "amount": "0.00"}
    lost = next(path for path in (site.home / "archive").rglob("*.pdf") if path.is_file())
    lost.unlink()
    ended = site.run(*scope, "--reread", "--json")
    assert ended.code == 1
    damaged = ended.json
    assert damaged["defects"] == {"missing": 1}
    assert not damaged["months"][0]["checked"]
