"""How fast a batch is migrated beside rclone, ``cp -r`` and our own floor, on the same files.

Every round runs every contestant once, in random order, into a new folder, after what the one
before wrote was flushed: a noisy machine is unfair to all alike. Needs nginx and rclone.

    python -m benchmarks.transfer --documents 2000 --rounds 7 --json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
from pathlib import Path

from benchmarks.rounds import Runs, measure, median, spread
from benchmarks.served_tenant import ServedTenant, served_tenant
from benchmarks.transfer_subjects import (
    Subject,
    copy,
    floor,
    portal,
    rclone,
    rclone_same_work,
)
from portal.demo.options import DemoOptions

TRANSFERS = (4, 8, 16, 32)


def main() -> None:
    """Measure on every place and print a table for each; ``--json``: the last line is an object."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=2000)
    options.add_argument("--mean-size", type=int, default=170_000)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument(
        "--place", type=Path, action="append", help="where to write; default: disk, then tmpfs"
    )
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    random.seed(given.seed)
    places = given.place or [Path(tempfile.gettempdir()), Path("/dev/shm")]
    tenant = DemoOptions(documents=given.documents, months=12, mean_size=given.mean_size)
    result: dict[str, object] = {}
    with (
        tempfile.TemporaryDirectory(prefix="transfer-") as folder,
        served_tenant(Path(folder), tenant) as served,
    ):
        print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"{given.documents} documents, {served.file_count} files, {served.size:,} bytes")
        for place in places:
            runs = measure(contestants(), served, place, given.rounds)
            print(table(runs, served, place), flush=True)
            result[str(place)] = summary(runs, served)
    if given.json:
        first = result[str(places[0])]
        assert isinstance(first, dict)
        print(json.dumps({**first, "places": result}))


def contestants() -> dict[str, Subject]:
    """Rclone with every number of transfers."""
    subjects: dict[str, Subject] = {"portal": portal, "cp -r": copy, "floor": floor}
    for transfers in TRANSFERS:
        subjects[f"rclone {transfers}"] = rclone(transfers)
        subjects[f"rclone {transfers} same work"] = rclone_same_work(transfers)
    return subjects


def best(runs: Runs, ending: str) -> str:
    """The name of the fastest rclone among those that did this work."""
    names = [f"rclone {transfers}{ending}" for transfers in TRANSFERS]
    return min(names, key=lambda name: median(runs[name]))


def summary(runs: Runs, served: ServedTenant) -> dict[str, float | str]:
    """Ratios above 1 say that the portal is faster."""
    ours = median(runs["portal"])
    alone, same = best(runs, ""), best(runs, " same work")
    return {
        "ratio_rclone": round(median(runs[alone]) / ours, 3),
        "ratio_rclone_same_work": round(median(runs[same]) / ours, 3),
        "ratio_cp": round(median(runs["cp -r"]) / ours, 3),
        "ratio_floor": round(median(runs["floor"]) / ours, 3),
        "best_rclone": alone,
        "files_per_second": round(served.file_count / ours, 1),
        "megabytes_per_second": round(served.size / ours / 1e6, 1),
        "cpu_seconds": round(statistics.median(one.cpu for one in runs["portal"]), 2),
        "worker_peak_mb": round(max(one.peak_mb for one in runs["portal"]), 1),
    }


def table(runs: Runs, served: ServedTenant, place: Path) -> str:
    """Markdown: medians and spread of every contestant, and the portal's ratio to each."""
    ours = median(runs["portal"])
    lines = [
        f"\n### {place}, {len(runs['portal'])} rounds\n",
        "| contestant | seconds (least–most) | files/s | MB/s | CPU s | peak MB | portal is |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, measured in sorted(runs.items(), key=lambda item: median(item[1])):
        middle = median(measured)
        lines.append(
            f"| {name} | {spread(measured)} |"
            f" {served.file_count / middle:.0f} | {served.size / middle / 1e6:.0f} |"
            f" {statistics.median(one.cpu for one in measured):.2f} |"
            f" {max(one.peak_mb for one in measured):.0f} | {middle / ours:.2f}× |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
