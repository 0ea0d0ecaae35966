"""How fast a batch is migrated on each combination of database, queue and archive.

Every round runs every combination once, in random order, with places of its own on the servers
that the environment names. CPU is that of the portal's own processes from the creation of the batch
to its end; "machine" is all that was used meanwhile, by servers, source and whatever else ran.
The servers that ``tests.servers`` starts do not flush to disk, SQLite does. Needs nginx.

    python -m tests.servers python -m benchmarks.backends --documents 500 --rounds 5
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import tempfile
from pathlib import Path

from benchmarks.rounds import Runs, measure, median, spread
from benchmarks.served_tenant import ServedTenant, served_tenant
from benchmarks.transfer_subjects import portal_on
from portal.demo.options import DemoOptions
from tests.functional.backends import Kinds

COMBINATIONS = {
    "SQLite + SQLite + folder": Kinds(),
    "PostgreSQL + PostgreSQL + folder": Kinds("postgresql", "postgresql"),
    "PostgreSQL + Redis + folder": Kinds("postgresql", "redis"),
    "PostgreSQL + Redis + S3": Kinds("postgresql", "redis", "s3"),
    "MariaDB + Redis + folder": Kinds("mariadb", "redis"),
}


def main() -> None:
    """Measure and print a table; the first combination is what the others are compared with."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=500)
    options.add_argument("--mean-size", type=int, default=170_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    random.seed(given.seed)
    tenant = DemoOptions(documents=given.documents, months=12, mean_size=given.mean_size)
    subjects = {name: portal_on(kinds) for name, kinds in COMBINATIONS.items()}
    with (
        tempfile.TemporaryDirectory(prefix="backends-") as folder,
        served_tenant(Path(folder), tenant) as served,
    ):
        print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"{given.documents} documents, {served.file_count} files, {served.size:,} bytes")
        print(f"load average before: {_load()}")
        runs = measure(subjects, served, given.place, given.rounds)
    print(f"load average afterwards: {_load()}\n")
    print(table(runs, served))


def table(runs: Runs, served: ServedTenant) -> str:
    """Markdown: medians, the spread of the seconds, and speed as a multiple of the first's."""
    first = median(runs[next(iter(COMBINATIONS))])
    lines = [
        "| database + queue + archive | documents/s | seconds (least–most) | CPU s | machine |"
        " speed |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, measured in runs.items():
        middle = median(measured)
        lines.append(
            f"| {name} | {len(served.documents) / middle:.1f} | {spread(measured)} |"
            f" {statistics.median(one.cpu for one in measured):.2f} |"
            f" {statistics.median(one.machine for one in measured):.2f} | {first / middle:.2f}× |"
        )
    return "\n".join(lines)


def _load() -> str:
    return ", ".join(f"{load:.2f}" for load in os.getloadavg())


if __name__ == "__main__":
    main()
