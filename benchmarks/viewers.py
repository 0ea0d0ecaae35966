"""How fast live pages answer 200 viewers and 50 polls of an admin beside a running batch.

One installation under one supervisor on this machine, as are the synthetic source and the viewers
(`tests.functional.viewers`). The months are moved in equal parts, by turns without and with
viewers; so the processor time a document takes of the engine (workers, checks and agent) can be
compared. The 95th percentile of every region should stay below 500 ms, and nothing may fail.

    python -m benchmarks.viewers --documents 160000 --json
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from benchmarks.installed import CHECKS, NAME, WORKER, Installed, installed
from benchmarks.process_use import look
from benchmarks.synthetic_source import synthetic_source
from benchmarks.synthetic_tenant import Synthetic
from portal.models import Role, User, utc_now
from tests.functional.backends import DATABASES, Kinds
from tests.functional.viewers import Admin, Viewer, Waited

WANTED_MS = 500
WANTED_RATIO = 1.1
ADMIN_POLLS, ADMIN_SECONDS = 50, 1.0
_PARTS = 4
# The viewers come one by one within this time.
_GATHER_SECONDS = 5.0
# By words of their command lines; the first three are the engine, the clerk does what viewers ask.
_PROGRAMS = {
    "workers": WORKER,
    "checks": CHECKS,
    "agent": "imgmig agent",
    "clerk": "--clerk",
    "web": "imgmig web",
}
ENGINE = ("workers", "checks", "agent")
_PASSWORD = "looking-all-the-time"
_ROLES = (Role.OPERATOR, Role.AUDITOR, Role.OPERATOR, Role.ADMIN)
_LOCALES = ("zh_Hans_CN", "zh_Hans_CN", "en")
# Which page how many of 40 look at; {batch} and {run} are those that run.
_PAGES = {
    "/batches/{batch}": 13,
    "/batches/{batch}/failures": 4,
    "/batches/": 8,
    "/": 6,
    "/months/": 4,
    "/jobs/": 2,
    "/jobs/{run}": 2,
    "/sources/1": 1,
}


@dataclass
class Audience:
    """Everybody who looks, and what they look at."""

    there: Installed
    viewers: list[Viewer] = field(default_factory=list)
    waited: Waited = field(default_factory=Waited)
    places: dict[str, object] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)

    async def gather(self, count: int) -> None:
        """So many people log in, one after another."""
        site = self.there.site
        pages = [page for page, share in _PAGES.items() for _ in range(share)]
        with self.there.backends.ledger.ledger.write() as session:
            _add_users(session, count)
        for number, page in zip(range(count), itertools.cycle(pages), strict=False):
            viewer = Viewer(
                site.address,
                f"viewer-{number}",
                _PASSWORD,
                lambda page=page: page.format(**self.places),  # type: ignore[misc]
                # Every 40th has the connection tested again and again, and watches it.
                press="/check" if page == "/sources/1" else "",
            )
            await viewer.log_in(_LOCALES[number % len(_LOCALES)])
            self.viewers.append(viewer)

    def start(self, until: asyncio.Event) -> list[asyncio.Task[None]]:
        """Everybody looks and the admin polls, until told otherwise."""
        site = self.there.site
        token = (site.home / "executor.token").read_text().strip()
        log = {"logDateTim": self.run["logDateTime"], "logId": self.run["logId"], "fromLineNum": 1}
        calls: Sequence[tuple[str, dict[str, object]]] = (
            ("beat", {}),
            ("idleBeat", {"jobId": 999_999}),
            ("log", log),
        )
        chance = random.Random(1)
        admin = Admin(site.address, token, calls, ADMIN_SECONDS)
        polls = [
            admin.poll(self.waited, until, after=chance.uniform(0, ADMIN_SECONDS))
            for _ in range(ADMIN_POLLS)
        ]
        looks = [
            viewer.look(self.waited, until, after=chance.uniform(0, _GATHER_SECONDS))
            for viewer in self.viewers
        ]
        return [asyncio.create_task(one) for one in (*polls, *looks)]


@dataclass(frozen=True)
class Part:
    """What a part of the documents took: seconds of the clock, and of processors by program."""

    documents: int
    seconds: float
    cpu: dict[str, float]

    def us(self, *programs: str) -> float:
        """Microseconds of these programs' processor time a document."""
        return sum(self.cpu[program] for program in programs) / self.documents * 1e6


async def measured(there: Installed, count: int) -> tuple[list[Part], list[Part], Waited]:
    """The parts without viewers, those with them, and what these waited for."""
    site = there.site
    site.start_up()
    numbers = _batches(there)
    audience = Audience(there)
    audience.places |= {"batch": numbers[0], "run": 0}
    await audience.gather(count)
    alone, watched = [], []
    for turn, number in enumerate(numbers):
        audience.places["batch"] = number
        audience.run = site.trigger({"batch": number})
        audience.places["run"] = there.backends.ledger.one("SELECT max(id) FROM executor_runs")
        if turn % 2:
            watched.append(await _part(there, number, audience))
        else:
            alone.append(await _part(there, number, None))
    for viewer in audience.viewers:
        viewer.close()
    return alone, watched, audience.waited


async def _part(there: Installed, number: str, audience: Audience | None) -> Part:
    ask = there.backends.ledger.query
    while not ask("SELECT 1 FROM batches WHERE batch_no = :no AND synced > 0", no=number):
        await asyncio.sleep(0.05)
    over = asyncio.Event()
    looking = audience.start(over) if audience else []
    before, began = _cpu(there), time.monotonic()
    ((synced,),) = ask("SELECT synced FROM batches WHERE batch_no = :no", no=number)
    ended = "SELECT synced, total FROM batches WHERE batch_no = :no AND run_status = 'ended'"
    while not (found := ask(ended, no=number)):
        await asyncio.sleep(0.1)
    after, seconds = _cpu(there), time.monotonic() - began
    over.set()
    await asyncio.gather(*looking)
    ((all_synced, total),) = found
    assert all_synced == total, found
    return Part(total - synced, seconds, {one: after[one] - before[one] for one in after})


def _batches(there: Installed) -> list[str]:
    starts = there.source.tenant.starts
    each = (len(starts) - 1) // _PARTS
    numbers = []
    for part in range(_PARTS):
        first, last = starts[part * each].date(), starts[(part + 1) * each].date()
        end = last.fromordinal(last.toordinal() - 1)
        scope = ("--source", NAME, "--from", f"{first}", "--to", f"{end}")
        numbers.append(str(there.site.json("batch", "create", *scope)["batch_no"]))
    return numbers


def _add_users(session: Session, count: int) -> None:
    """With one hash for all: to compute 200 takes longer than what is measured."""
    hashed = generate_password_hash(_PASSWORD)
    for number in range(count):
        # Every 40th presses a button that auditors do not have.
        role = Role.OPERATOR if number % 40 == 39 else _ROLES[number // 3 % len(_ROLES)]
        session.add(
            User(
                name=f"viewer-{number}",
                role=role,
                password_hash=hashed,
                enabled=True,
                created_at=utc_now(),
            )
        )


def _cpu(there: Installed) -> dict[str, float]:
    seconds = dict.fromkeys((*_PROGRAMS, "others"), 0.0)
    for process in look(there.site.processes()):
        known = (name for name, words in _PROGRAMS.items() if words in process.command)
        seconds[next(known, "others")] += process.cpu
    return seconds


def table(waited: Waited) -> str:
    """Markdown: what is above the wanted time is marked."""
    lines = [
        "| region | asked | p50 ms | p95 | p99 | most |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, taken in sorted(waited.milliseconds.items()):
        one = figures(taken)
        mark = " !" if one["p95"] >= WANTED_MS else ""
        lines.append(
            f"| {name} | {len(taken)} | {one['p50']:.0f} | {one['p95']:.0f}{mark} |"
            f" {one['p99']:.0f} | {one['most']:.0f} |"
        )
    return "\n".join(lines)


def figures(taken: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    cuts = (
        statistics.quantiles(taken, n=100, method="inclusive") if len(taken) > 1 else [*taken] * 99
    )
    return {
        "count": len(taken),
        "p50": round(statistics.median(taken), 1),
        "p95": round(cuts[94], 1),
        "p99": round(cuts[98], 1),
        "most": round(max(taken), 1),
    }


def costs(parts: dict[str, Sequence[Part]]) -> str:
    """Markdown: what a document took of each program."""
    names = (*_PROGRAMS, "others")
    lines = [
        f"| µs a document | documents/s | engine | {' | '.join(names)} |",
        "| --- " * (len(names) + 3) + "|",
    ]
    for what, some in parts.items():
        pace = sum(part.documents for part in some) / sum(part.seconds for part in some)
        cells = [f"{_mean(some, *one):.0f}" for one in (ENGINE, *((name,) for name in names))]
        lines.append(f"| {what} | {pace:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean(parts: Sequence[Part], *programs: str) -> float:
    return statistics.fmean(part.us(*programs) for part in parts)


def main() -> None:
    """Print tables, and with ``--json`` a last line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=160_000)
    options.add_argument("--viewers", type=int, default=200)
    options.add_argument("--database", choices=DATABASES, default="sqlite")
    options.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with (
        tempfile.TemporaryDirectory(prefix="viewers-", dir=given.place) as place,
        synthetic_source(Synthetic(given.documents)) as source,
        installed(Path(place) / "home", source, kinds=Kinds(given.database)) as there,
    ):
        alone, watched, waited = asyncio.run(measured(there, given.viewers))
        print(f"load average before: {load:.1f}; {given.viewers} viewers, {ADMIN_POLLS} polls\n")
        _tell(alone, watched, waited)
        if given.json:
            print(json.dumps({**_report(alone, watched, waited), "load_before": round(load, 1)}))


def _ratio(alone: Sequence[Part], watched: Sequence[Part]) -> float:
    return _mean(watched, *ENGINE) / _mean(alone, *ENGINE)


def _tell(alone: Sequence[Part], watched: Sequence[Part], waited: Waited) -> None:
    print(table(waited))
    print(f"\nfailures: {len(waited.failures)}")
    print("".join(f"  {one}\n" for one in waited.failures[:10]))
    print(costs({"without viewers": alone, "with viewers": watched}))
    print(f"\nengine's processor time a document with viewers: {_ratio(alone, watched):.2f}×")
    asked = sum(map(len, waited.milliseconds.values()))
    web = sum(part.cpu["web"] for part in watched) / asked * 1e3
    print(f"web's processor time a request, pages among them: {web:.2f} ms", flush=True)


def _report(alone: Sequence[Part], watched: Sequence[Part], waited: Waited) -> dict[str, Any]:
    by_region = {name: figures(taken) for name, taken in waited.milliseconds.items()}
    slowest = max(one["p95"] for one in by_region.values())
    ratio = _ratio(alone, watched)
    return {
        "regions": by_region,
        "failures": len(waited.failures),
        "slowest_p95_ms": slowest,
        "engine_us": [round(part.us(*ENGINE), 1) for part in alone],
        "engine_us_with_viewers": [round(part.us(*ENGINE), 1) for part in watched],
        "ratio": round(ratio, 3),
        "web_cores": [round(part.cpu["web"] / part.seconds, 3) for part in watched],
        "wanted": slowest < WANTED_MS and not waited.failures and ratio < WANTED_RATIO,
    }


if __name__ == "__main__":
    main()
