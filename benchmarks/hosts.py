"""How many documents a second 1, 2 and 4 workers move on a shared database, and what limits them.

Each round has a new schema in the PostgreSQL that IMGMIG_TEST_POSTGRESQL names, a new archive and
a demo source of its own, all on this machine; workers are spread over the hosts. CPU is given in
cores: seconds of processor time for each second of the round, from the first document's claim to
the batch's end. Waits are PostgreSQL backends that wait for a lock of a row or a table, on the
average of samples; flushing is likewise what waits for its log to reach the disk.

    python -m benchmarks.hosts [--workers 1,2,4] [--hosts 2] [--documents 2000]
        [--mean-size 40000] [--queue redis] [--archive s3]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.executor.fake_admin import FakeAdmin
from tests.functional.backends import ARCHIVES, QUEUES, Kinds, opened_backends
from tests.functional.hosts import Cluster, until
from tests.functional.installation import DemoSource, Installation

_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.2
_WAITS = """SELECT pid, coalesce(wait_event_type, ''), coalesce(wait_event, '')
 FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'
 AND pid <> pg_backend_pid()"""
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
# A share of the machine behind which it, or a part, has nothing left to give.
_FULL = 0.9


@dataclass
class Watch:
    """What was seen of a round from its first claim to its end."""

    cpu: dict[str, float] = field(default_factory=dict)
    """Processor seconds by part; ``idle`` is the machine's."""
    locked: int = 0
    flushing: int = 0
    samples: int = 0


@dataclass(frozen=True)
class Round:
    """The figures of one number of workers."""

    workers: int
    hosts: int
    documents: int
    files: int
    seconds: float
    level: str
    watch: Watch

    def line(self) -> str:
        """As a row of the table."""
        cores = {part: seconds / self.seconds for part, seconds in self.watch.cpu.items()}
        cells = (
            self.workers,
            self.hosts,
            f"{self.seconds:.1f}",
            f"{self.documents / self.seconds:.1f}",
            f"{self.files / self.seconds:.1f}",
            *(f"{cores.get(part, 0.0):.2f}" for part in (*PARTS, "idle")),
            f"{self.watch.locked / max(1, self.watch.samples):.2f}",
            f"{self.watch.flushing / max(1, self.watch.samples):.2f}",
            self.limit(cores),
        )
        return "| " + " | ".join(str(cell) for cell in cells) + " |"

    def limit(self, cores: Mapping[str, float]) -> str:
        """What there is no more of, as far as these figures tell."""
        machine = os.cpu_count() or 1
        largest = max(PARTS, key=lambda part: cores.get(part, 0.0))
        if cores.get("idle", 0.0) < (1 - _FULL) * machine:
            if sum(cores.get(part, 0.0) for part in PARTS) < machine / 2:
                return "other programs on this machine: measure again when it is quiet"
            return f"the machine's {machine} cores, most for {largest}"
        if cores.get("workers", 0.0) > _FULL * self.workers:
            return "a core for each worker"
        if self.watch.locked > 0.5 * self.watch.samples * max(1, self.workers - 1):
            return "waits for locks"
        if cores.get("source", 0.0) > _FULL:
            return "the demo source's one core"
        return (
            "the source's answers" if self.level == "None" else f"the source's level: {self.level}"
        )


PARTS = ("workers", "web and agents", "PostgreSQL", "source")
_HEAD = ("workers", "hosts", "s", "documents/s", "files/s", *PARTS, "idle", "waiting", "flushing")


def main() -> None:
    """Run a round for each number of workers and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workers", default="1,2,4")
    options.add_argument("--hosts", type=int, default=2, help="at most so many")
    options.add_argument("--documents", type=int, default=2000)
    options.add_argument("--mean-size", type=int, default=40_000)
    options.add_argument("--queue", choices=QUEUES, default="sqlite", help="sqlite: a file each")
    options.add_argument("--archive", choices=ARCHIVES, default="local")
    given = options.parse_args()
    print("| " + " | ".join([*_HEAD, "what limits"]) + " |")
    print("|" + "---|" * (len(_HEAD) + 1))
    for workers in map(int, given.workers.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            print(measured(Path(folder), workers, given).line(), flush=True)


def measured(folder: Path, workers: int, given: argparse.Namespace) -> Round:
    """One round, from an empty database."""
    count = min(given.hosts, workers)
    outside = Installation(folder / "source")
    kinds = Kinds("postgresql", given.queue, given.archive)
    with opened_backends(kinds, folder / "shared") as backends, FakeAdmin() as admin:
        cluster = Cluster(folder, backends, admin, hosts=count, workers=workers // count)
        try:
            tenant = (f"--documents={given.documents}", "--months=1")
            source = DemoSource(outside, *tenant, f"--mean-size={given.mean_size}")
            cluster.office.add_source(source)
            for host in cluster.hosts:
                host.start_all()
            for host in cluster.hosts:
                host.wait_until_serving()
            until("every worker", lambda: cluster.one("SELECT count(*) FROM workers") == workers)
            number = cluster.office.create_batch("2024-01-01", "2024-01-31")
            assert cluster.office.run("batch", "run", number).code == 0
            until("a first claim", lambda: cluster.one(_CLAIMED))
            with watching(cluster, outside) as watch:
                began = time.monotonic()
                cluster.wait_until_ended(number, seconds=3600)
                seconds = time.monotonic() - began
            documents, files = cluster.query("SELECT synced, stored_files FROM batches")[0]
            level = cluster.office.json("batch", "show", number)["level"] or {}
        finally:
            cluster.close()
            outside.kill_all()
    return Round(workers, count, documents, files, seconds, str(level.get("reason")), watch)


_CLAIMED = "SELECT count(*) FROM documents WHERE fence > 0"


@contextmanager
def watching(cluster: Cluster, outside: Installation) -> Iterator[Watch]:
    """Sample the database while the block lasts, and take the processor times around it."""
    watch, ended = Watch(), threading.Event()
    backends: dict[int, float] = {}

    def look() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            for (pid,) in cluster.query(_BACKENDS):
                backends.setdefault(pid, _seconds(pid))
            waits = cluster.query(_WAITS)
            watch.locked += sum(kind == "Lock" for _, kind, _ in waits)
            watch.flushing += sum("WAL" in event for _, _, event in waits)
            watch.samples += 1

    before = _parts(cluster, outside)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join()
        after = _parts(cluster, outside)
        watch.cpu.update({part: after[part] - before[part] for part in after})
        spent = [max(0.0, _seconds(pid) - first) for pid, first in backends.items()]
        watch.cpu["PostgreSQL"] = sum(spent)


def _parts(cluster: Cluster, outside: Installation) -> dict[str, float]:
    """Processor seconds so far, the children that have ended included."""

    def of(*words: str) -> float:
        pids = [pid for host in cluster.hosts for pid in host.processes(*words)]
        return float(sum(map(_seconds, pids)))

    workers = of("imgmig worker")
    return {
        "workers": workers,
        "web and agents": of() - workers,
        "source": sum(map(_seconds, outside.processes())),
        "idle": _idle(),
    }


def _seconds(pid: int) -> float:
    """Of a process on this machine; 0 for one that is not here."""
    return _read(Path(f"/proc/{pid}/stat"), lambda text: _times(text.rpartition(")")[2].split()))


def _times(fields: list[str]) -> float:
    return sum(map(int, fields[11:15])) / _TICKS


def _idle() -> float:
    """Of all cores together."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return (int(fields[4]) + int(fields[5])) / _TICKS


def _read(path: Path, told: Callable[[str], float]) -> float:
    try:
        return told(path.read_text("utf-8", "replace"))
    except OSError:
        return 0.0


if __name__ == "__main__":
    main()
