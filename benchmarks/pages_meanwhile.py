"""How fast the live regions of the pages answer while documents are moved at full speed.

One installation: web, workers and agent under one supervisor, on this machine, as is the synthetic
source. A person who is logged in asks for one region after the other, at the addresses their pages
name, first with nothing going on, then while a batch runs; what was asked when it had ended does
not count. The 95th percentile should stay below 300 ms.

    python -m benchmarks.pages_meanwhile --documents 20000 --json
"""

from __future__ import annotations

import argparse
import html
import json
import os
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import requests

from benchmarks.installed import Installed, installed
from benchmarks.synthetic_source import synthetic_source
from benchmarks.synthetic_tenant import Synthetic
from tests.functional.installation import wait_for

WANTED_MS = 300
_NAME, _PASSWORD = "looker", "looking-all-the-time"
_TOKEN_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_FEWEST = 20


@dataclass
class Person:
    """A browser that is logged in, and what it waited for: milliseconds, by region."""

    address: str
    session: requests.Session = field(default_factory=requests.Session)
    waited: dict[str, list[float]] = field(default_factory=dict)

    def log_in(self) -> None:
        """As a person does."""
        page = self._get("/login").text
        token = _TOKEN_FIELD.search(page)
        assert token, page
        form = {"csrf_token": token[1], "name": _NAME, "password": _PASSWORD}
        assert self.session.post(f"{self.address}/login", data=form, timeout=30).ok

    def region_of(self, path: str, name: str) -> str:
        """The address that a page names for one of its live regions."""
        page = self._get(path).text
        found = re.search(rf'id="{name}"[^>]*hx-get="([^"]+)"', page)
        assert found, (path, name)
        return html.unescape(found[1])

    def ask(self, name: str, path: str) -> None:
        """One region, timed."""
        began = time.perf_counter()
        self._get(path, **{"HX-Request": "true"})
        self.waited.setdefault(name, []).append((time.perf_counter() - began) * 1000)

    def _get(self, path: str, **headers: str) -> requests.Response:
        answer = self.session.get(f"{self.address}{path}", headers=headers, timeout=30)
        assert answer.ok, (path, answer.status_code)
        assert "/login" not in answer.url or path == "/login", path
        return answer


def main() -> None:
    """Ask in quiet and meanwhile, and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=20_000)
    options.add_argument("--files", type=int, default=1, help="of each document")
    options.add_argument("--rounds", type=int, default=500, help="at most, while the batch runs")
    options.add_argument("--pause", type=float, default=0.0, help="seconds between two rounds")
    options.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with (
        tempfile.TemporaryDirectory(prefix="pages-", dir=given.place) as place,
        synthetic_source(Synthetic(given.documents, given.files)) as source,
        installed(Path(place) / "home", source) as there,
    ):
        quiet, busy, pace = measured(there, given.rounds, given.pause)
    print(f"{given.documents} documents, {pace:.0f} of them a second meanwhile\n")
    print(table(quiet, busy))
    if given.json:
        slowest = max(_p95(taken) for taken in busy.values())
        print(
            json.dumps(
                {
                    "quiet": {name: _figures(taken) for name, taken in quiet.items()},
                    "meanwhile": {name: _figures(taken) for name, taken in busy.items()},
                    "documents_per_second": round(pace, 1),
                    "slowest_p95_ms": round(slowest, 1),
                    "wanted": slowest < WANTED_MS,
                }
            )
        )


Waited = dict[str, list[float]]


def measured(there: Installed, rounds: int, pause: float) -> tuple[Waited, Waited, float]:
    """What was waited for in quiet and meanwhile, and documents a second meanwhile."""
    site, ask = there.site, there.backends.ledger.one
    assert site.run("user", "add", _NAME, USER_PASSWORD=_PASSWORD).code == 0
    site.start_up()
    number = there.create_batch(run=False)
    person = Person(site.address)
    person.log_in()
    regions = {
        "overview": person.region_of("/", "overview"),
        "batches": person.region_of("/batches/", "batches-live"),
        "batch, months": person.region_of(f"/batches/{number}", "batch-progress"),
        "batch, failures": person.region_of(f"/batches/{number}/failures", "batch-progress"),
    }

    def ask_all(count: int, going_on: Callable[[], bool]) -> Waited:
        person.waited = {}
        for _ in range(count):
            for name, path in regions.items():
                person.ask(name, path)
            if not going_on():
                for taken in person.waited.values():
                    taken.pop()
                break
            time.sleep(pause)
        return person.waited

    ask_all(2, lambda: True)  # what is made at first use is made
    quiet = ask_all(_FEWEST, lambda: True)
    assert site.run("batch", "run", number).code == 0
    wait_for("first documents", lambda: ask("SELECT max(synced) FROM batches"))
    moved, began = int(ask("SELECT max(synced) FROM batches")), time.monotonic()
    busy = ask_all(rounds, lambda: not ask("SELECT count(*) FROM batches WHERE run_status='ended'"))
    moved = int(ask("SELECT max(synced) FROM batches")) - moved
    fewest = min(map(len, busy.values()))
    assert fewest, "the batch ended at once: take more documents"
    if fewest < _FEWEST:
        print(f"only {fewest} rounds before the batch ended: take more documents")
    return quiet, busy, moved / (time.monotonic() - began)


def table(quiet: Waited, busy: Waited) -> str:
    """Markdown: what is above the wanted time is marked."""
    lines = [
        "| live region | asked | p50 ms in quiet | p95 | p50 ms meanwhile | p95 | most |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, taken in busy.items():
        before, after = _figures(quiet[name]), _figures(taken)
        lines.append(
            f"| {name} | {len(taken)} | {before['p50']:.1f} | {before['p95']:.1f} |"
            f" {after['p50']:.1f} | {after['p95']:.1f}{' !' if after['p95'] >= WANTED_MS else ''} |"
            f" {after['most']:.1f} |"
        )
    return "\n".join(lines)


def _figures(taken: list[float]) -> dict[str, float]:
    return {
        "p50": round(statistics.median(taken), 2),
        "p95": round(_p95(taken), 2),
        "most": round(max(taken), 2),
        "count": len(taken),
    }


def _p95(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20, method="inclusive")[-1] if len(taken) > 1 else taken[0]


if __name__ == "__main__":
    main()
