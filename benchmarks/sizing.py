"""What an installation takes: ledger per document, memory per process, and its pace.

``python -m benchmarks.sizing --documents 4000`` migrates a made-up tenant with real processes.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from tests.functional.installation import DemoSource, Installation

_LOOK_SECONDS = 0.5


class Memory:
    """The most that each kind of process took, as its share of what is resident (PSS)."""

    def __init__(self, site: Installation) -> None:
        self.most: dict[str, int] = defaultdict(int)
        self._site = site
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            now: dict[str, int] = defaultdict(int)
            for pid in self._site.processes():
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                except OSError:
                    continue
                pss = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
                now[_kind(words)] += int(pss.split()[1]) * 1024
                now["all"] += int(pss.split()[1]) * 1024
            for kind, taken in now.items():
                self.most[kind] = max(self.most[kind], taken)


def _kind(words: list[str]) -> str:
    for option, kind in (("--one", "workers"), ("--clerk", "clerk")):
        if option in words:
            return kind
    known = [name for name in ("web", "agent", "worker", "up") if name in words]
    return (
        {"worker": "supervisors", "up": "supervisors"}.get(known[0], known[0])
        if known
        else "checks"
    )


def _table_bytes(ledger: Path) -> tuple[int, int]:
    """Bytes of the ledger, and of those the trail's, indexes included."""
    with closing(sqlite3.connect(ledger)) as open_ledger:
        open_ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = open_ledger.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()
        trail = 0
        for (name,) in open_ledger.execute(
            "SELECT name FROM sqlite_master WHERE tbl_name LIKE 'audit%' AND rootpage > 0"
        ):
            try:
                (part,) = open_ledger.execute(
                    "SELECT sum(pgsize) FROM dbstat WHERE name = ?", (name,)
                ).fetchone()
            except sqlite3.OperationalError:  # this SQLite was built without dbstat
                return int(size), 0
            trail += part or 0
    return int(size), int(trail)


def main() -> None:
    """Migrate, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=4000)
    parser.add_argument("--mean-size", type=int, default=40_000, help="bytes of a file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Installation(Path(folder) / "home")
        outside = Installation(Path(folder) / "source")
        try:
            tenant = (f"--documents={options.documents}", f"--mean-size={options.mean_size}")
            _measure(site, DemoSource(outside, *tenant))
        finally:
            site.kill_all()
            outside.kill_all()


def _measure(site: Installation, source: DemoSource) -> None:
    site.add_source(source)
    site.start_up()
    before, _ = _table_bytes(site.home / "ledger.db")
    batch = site.create_batch()
    began = time.monotonic()
    with Memory(site) as memory:
        assert site.run("batch", "run", batch).code == 0
        report = site.wait_until_ended(batch)
    seconds = time.monotonic() - began
    files = [path for path in site.archive.rglob("*") if path.is_file()]
    after, trail = _table_bytes(site.home / "ledger.db")
    documents = int(report["total"])
    print(f"documents {documents}, files {len(files)}, {seconds:.1f} s")
    print(
        f"documents a second {documents / seconds:.0f}, files a second {len(files) / seconds:.0f}"
    )
    print(f"ledger bytes a document {(after - before) / documents:.0f}", end=", ")
    print(f"of those trail {trail / documents:.0f}")
    for kind, taken in sorted(memory.most.items()):
        print(f"memory {kind}: {taken / 2**20:.0f} MB")


if __name__ == "__main__":
    main()
