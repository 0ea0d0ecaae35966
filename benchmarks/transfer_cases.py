"""The portal beside rclone where the bytes are not what takes the time, and where they are.

``latency``: every request waits 40 ms for its answer, as far away sources and slow ones have it;
each contestant runs with 4 requests at once, which is rclone's default, and with 32. No more than
their number divided by the latency can be had in a second, and the share of that is printed.
``tiny``: files of 200 bytes. ``large``: files of 50 MB, and the same number of files of 1 MB, to
see that the workers' memory does not depend on their size.

The source is a synthetic one (``synthetic_source.py``), the same for all. The figures are medians;
the portal's clock runs from the creation of the batch until the ledger says that it has ended, its
processes standing ready. Needs rclone.

    python -m benchmarks.transfer_cases --case latency --rounds 5 --json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installed import CHECKS, WORKER, installed
from benchmarks.rounds import Runs, measure, median, spread
from benchmarks.served_tenant import ServedTenant
from benchmarks.synthetic_source import SyntheticSource, synthetic_source
from benchmarks.synthetic_tenant import Synthetic, file_id
from benchmarks.transfer_subjects import Measured, Subject, rclone, rclone_same_work

_AT_ONCE = (4, 32)
_SMALL = 1_000_000


@dataclass(frozen=True)
class Case:
    """What is moved by default, and the seconds that each request waits."""

    documents: int
    file_sizes: tuple[int, ...]
    latency: float = 0.0


@dataclass(frozen=True)
class Moved(Measured):
    """A run of the portal; ``checks_mb`` is the peak of what looks into the files."""

    checks_mb: float = 0.0


CASES = {
    "latency": Case(2000, (20_000,), 0.04),
    "tiny": Case(2000, (200,)),
    "large": Case(20, (_SMALL, 50_000_000)),
}


def main() -> None:
    """Measure a case and print a table for each size of file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--case", choices=[*CASES], required=True)
    options.add_argument("--documents", type=int, help="of one file each; default: by the case")
    options.add_argument("--file-size", type=int, help="bytes; default: by the case")
    options.add_argument("--latency", type=float, help="seconds of every request")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    random.seed(given.seed)
    case = CASES[given.case]
    latency = case.latency if given.latency is None else given.latency
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    results: dict[str, object] = {"case": given.case, "latency": latency}
    for size in (given.file_size,) if given.file_size else case.file_sizes:
        tenant = Synthetic(given.documents or case.documents, file_size=size, months=1)
        with synthetic_source(tenant, latency=latency, processes=2) as source:
            runs = measure(contestants(source), _as_served(source), given.place, given.rounds)
        print(table(runs, tenant, latency), flush=True)
        results[str(size)] = {name: figures(runs, name, tenant, latency) for name in runs}
    if given.json:
        print(json.dumps(results))


def contestants(source: SyntheticSource) -> dict[str, Subject]:
    """The portal as it comes, and everyone with so many requests at once."""
    subjects: dict[str, Subject] = {"portal": _portal(source, None)}
    for at_once in _AT_ONCE:
        subjects[f"portal {at_once}"] = _portal(source, at_once)
        subjects[f"rclone {at_once}"] = rclone(at_once)
        subjects[f"rclone {at_once} same work"] = rclone_same_work(at_once)
    return subjects


def _portal(source: SyntheticSource, at_once: int | None) -> Subject:
    """The whole pipeline, on a source with such a cap.

    Its memory is that of the larger worker.
    """

    def run(_: ServedTenant, place: Path) -> Measured:
        with installed(place / "home", source, concurrency=at_once) as there:
            there.start()
            there.forget_peaks()
            used, began = there.cpu(), time.monotonic()
            there.create_batch(run=True)
            there.wait_until_ended()
            seconds = time.monotonic() - began
            used = there.cpu() - used
            return Moved(seconds, used, there.peak_mb(WORKER), checks_mb=there.peak_mb(CHECKS))

    return run


def _as_served(source: SyntheticSource) -> ServedTenant:
    """What rclone has to know of it; there is no folder to copy from."""
    ids = [[file_id(number, 0)] for number in range(source.document_count)]
    nowhere = Path(os.devnull)
    return ServedTenant(source.url, source.client_id, source.client_secret, nowhere, ids)


def at_once(name: str) -> int | None:
    """The requests at once of a contestant; None where it chooses by itself."""
    words = name.split()
    return int(words[1]) if len(words) > 1 else None


def checks_peak(measured: list[Measured]) -> float | None:
    """None for who checks nothing."""
    peaks = [one.checks_mb for one in measured if isinstance(one, Moved)]
    return round(max(peaks), 1) if peaks else None


def figures(runs: Runs, name: str, tenant: Synthetic, latency: float) -> dict[str, float | None]:
    """Of one contestant; ``share`` is that of what its requests at once allow for."""
    measured = runs[name]
    middle, limit = median(measured), at_once(name)
    pace = tenant.file_count / middle
    return {
        "seconds": round(middle, 3),
        "files_per_second": round(pace, 1),
        "megabytes_per_second": round(tenant.size / middle / 1e6, 1),
        "cpu_seconds": round(statistics.median(one.cpu for one in measured), 2),
        "peak_mb": round(max(one.peak_mb for one in measured), 1),
        "checks_peak_mb": checks_peak(measured),
        "share": round(pace * latency / limit, 3) if limit and latency else None,
    }


def table(runs: Runs, tenant: Synthetic, latency: float) -> str:
    """Markdown: the fastest first, with the ratio to the portal as it comes."""
    rounds, ours = len(runs["portal"]), median(runs["portal"])
    lines = [
        f"\n### {tenant.file_count} files of {tenant.base.size:,} bytes,"
        f" {latency * 1000:.0f} ms a request, {rounds} rounds\n",
        "| contestant | seconds (least–most) | files/s | MB/s | CPU s | peak MB | of checks |"
        " of what its requests at once allow | portal is |",
        "|" + " --- |" * 9,
    ]
    for name in sorted(runs, key=lambda name: median(runs[name])):
        seen = figures(runs, name, tenant, latency)
        checks = "" if seen["checks_peak_mb"] is None else f"{seen['checks_peak_mb']:.0f}"
        share = "" if seen["share"] is None else f"{seen['share']:.0%}"
        lines.append(
            f"| {name} | {spread(runs[name])} | {seen['files_per_second']:.0f} |"
            f" {seen['megabytes_per_second']:.1f} | {seen['cpu_seconds']:.2f} |"
            f" {seen['peak_mb']:.0f} | {checks} | {share} | {median(runs[name]) / ours:.2f}× |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
