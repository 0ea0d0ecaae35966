"""A real installation with a synthetic source, and what its processes and its ledger take."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import statements
from benchmarks.process_use import cpu_of, look
from benchmarks.statements import Counted
from benchmarks.synthetic_source import SyntheticSource
from tests.functional.backends import Backends, Kinds, opened_backends
from tests.functional.installation import Installation, wait_for

WORKERS = 2
NAME = "源"
# Words of the command lines of what moves documents, and of what looks into files.
WORKER, CHECKS = "--one", "portal.sync.checks.inspector"
_SIZES = {
    "postgresql": """SELECT sum(pg_total_relation_size(oid)) FROM pg_class
 WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'""",
    "mariadb": """SELECT sum(data_length + index_length) FROM information_schema.tables
 WHERE table_schema = database()""",
}


@dataclass
class Installed:
    """An installation that knows the source; nothing runs in it at first."""

    site: Installation
    source: SyntheticSource
    backends: Backends
    kinds: Kinds
    counts: Path | None

    def start(self) -> None:
        """Workers and agent, ready to work."""
        self.site.start("worker")
        self.site.start("agent")
        ask = self.backends.ledger.query
        wait_for("the workers", lambda: len(ask("SELECT 1 FROM workers")) >= WORKERS)

    def create_batch(self, *, run: bool) -> str:
        """A batch of all documents; its number."""
        tenant = self.source.tenant
        scope = ("--source", NAME, "--from", tenant.first_day, "--to", tenant.last_day)
        words = ("--run",) if run else ()
        return str(self.site.json("batch", "create", *scope, *words)["batch_no"])

    def wait_until_ended(self, pause: float = 0.02) -> None:
        """Until the only batch has ended, with every document moved."""
        ask = self.backends.ledger.query
        while not ask("SELECT 1 FROM batches WHERE run_status = 'ended'"):
            time.sleep(pause)
        ((synced, total),) = ask("SELECT synced, total FROM batches")
        assert synced == total == self.source.document_count, (synced, total)

    def cpu(self) -> float:
        """CPU seconds of all its processes so far."""
        return cpu_of(look(self.site.processes()))

    def forget_peaks(self) -> None:
        """What its processes took to start is not what they take to work."""
        for pid in self.site.processes():
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): the peak resident size

    def peak_mb(self, *words: str) -> float:
        """The peak memory of the largest living process whose command has these words."""
        return max((one.peak_mb for one in look(self.site.processes(*words))), default=0.0)

    def counted(self, kind: str = "*") -> Counted:
        """SQL statements so far; none when they are not counted."""
        return Counted(0, 0) if self.counts is None else statements.counted(self.counts, kind)

    def ledger_bytes(self) -> int:
        """What the ledger takes, its log being written back."""
        if self.kinds.database == "sqlite":
            path = self.site.home / "ledger.db"
            with closing(sqlite3.connect(path, timeout=60)) as ledger:
                ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))
        return int(self.backends.ledger.one(_SIZES[self.kinds.database]))


@contextmanager
def installed(
    home: Path,
    source: SyntheticSource,
    *,
    kinds: Kinds | None = None,
    concurrency: int | None = None,
    count_statements: bool = False,
) -> Iterator[Installed]:
    """An installation in this folder, ended whatever happens.

    :param concurrency: a cap of the requests at once
    """
    kinds = kinds or Kinds()
    with opened_backends(kinds, home) as backends:
        settings = {**backends.settings, "PORTAL_WORKERS": str(WORKERS)}
        counts = home.with_name(f"{home.name}-counts") if count_statements else None
        if counts is not None:
            settings |= statements.settings(counts)
        site = Installation(home, settings)
        try:
            assert site.run("db", "upgrade").code == 0
            capped = () if concurrency is None else ("--concurrency-cap", str(concurrency))
            added = site.run(
                *("source", "add", NAME, "--url", source.url, "--client-id", source.client_id),
                *capped,
                CLIENT_SECRET=source.client_secret,
            )
            assert added.code == 0, added
            yield Installed(site, source, backends, kinds, counts)
        finally:
            site.kill_all()


@dataclass
class Memory:
    """What the workers' memory was while the block lasted, every so many seconds.

    :param progress: how far the work is, noted with each sample
    :ivar samples: seconds since the beginning, progress, resident MB of the largest worker
    """

    installed: Installed
    progress: Callable[[], int]
    every: float
    samples: list[tuple[float, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._began = time.monotonic()

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self.every):
            resident = [_resident(pid) for pid in self.installed.site.processes(WORKER)]
            seconds = time.monotonic() - self._began
            self.samples.append((round(seconds, 1), self.progress(), max(resident, default=0.0)))

    def some(self, count: int) -> list[tuple[float, int, float]]:
        """So many of the samples at most, spread evenly, the last among them."""
        step = max(1, -(-len(self.samples) // count))
        return self.samples[::-1][::step][::-1]


def _resident(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0")
    return round(int(line.split()[1]) / 1024, 1)
