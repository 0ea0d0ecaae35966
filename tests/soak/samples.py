"""What an installation takes at a moment: of each program, of each table, of the disk."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import inspect

from tests.functional.installation import Installation
from tests.functional.seen import SeenLedger

MB, KB = 1e6, 1e3
# Programs by words of their command lines, the first that fits.
_PROGRAMS = {
    "web": "imgmig web",
    "worker": "--one",
    "clerk": "--clerk",
    "agent": "imgmig agent",
    "checks": "portal.sync.checks.inspector",
    "painter": "portal.sync.viewing.painter",
}
_OTHERS = "supervisor"
# Bytes of all tables with their indexes, where they are not a file of ours.
_SIZES = {
    "postgresql": """SELECT sum(pg_total_relation_size(oid)) FROM pg_class
 WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'""",
    "mysql": """SELECT sum(data_length + index_length) FROM information_schema.tables
 WHERE table_schema = database()""",
}
_SIZES["mariadb"] = _SIZES["mysql"]


@dataclass(frozen=True)
class Sample:
    """Values by name at a moment, such as ``web.memory_mb`` or ``rows.chores``.

    :param at: seconds of the monotonic clock
    :param cycles: how much had been done: rounds of :mod:`tests.soak.life`
    """

    at: float
    cycles: int
    values: dict[str, float]


@dataclass
class Watch:
    """Takes a sample every so many seconds, when it is asked to.

    :param temporary: the folder of the installation's temporary files
    :param outputs: the folder of what its programs write to their terminals
    """

    site: Installation
    ledger: SeenLedger
    temporary: Path
    outputs: Path
    every: float
    cycles: int = 0
    samples: list[Sample] = field(default_factory=list)
    _due: float = 0.0

    def look(self) -> None:
        """Take a sample when it is due."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self.every
            values = {**self._programs(), **self._disk(), **self._tables()}
            self.samples.append(Sample(time.monotonic(), self.cycles, values))

    def _programs(self) -> dict[str, float]:
        """Memory (its share of what is resident), descriptors, threads and processes of each."""
        found: dict[str, float] = defaultdict(float)
        for pid in self.site.processes():
            place = Path("/proc") / str(pid)
            with suppress(OSError):  # it has just ended
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                name = next((n for n, words in _PROGRAMS.items() if words in command), _OTHERS)
                found[f"{name}.memory_mb"] += _pss(place) / MB
                found[f"{name}.descriptors"] += len(os.listdir(place / "fd"))
                found[f"{name}.threads"] += len(os.listdir(place / "task"))
                found[f"{name}.processes"] += 1
        return found

    def _disk(self) -> dict[str, float]:
        home = self.site.home
        temporary = list(_files(self.temporary)) + list(_files(self.site.archive / ".incoming"))
        values = {
            "temporary.files": float(len(temporary)),
            "temporary.mb": sum(map(_size, temporary)) / MB,
            "ledger.kb": _size(home / "ledger.db") / KB,
            "ledger.wal_mb": _size(home / "ledger.db-wal") / MB,
            "log.kb": sum(map(_size, _files(self.outputs))) / KB,
        }
        for path in sorted(home.glob("*.db*")):
            if not path.name.startswith("ledger.db"):
                values[f"{path.name.removesuffix('-shm')}.mb"] = _size(path) / MB
        # All that lies in the home besides databases, the archive and what is kept for people.
        kept = [path for path in home.iterdir() if path.is_dir() and path != self.site.archive]
        values["home.files"] = float(sum(1 for folder in kept for _ in _files(folder)))
        return values

    def _tables(self) -> dict[str, float]:
        with self.ledger.ledger.read() as session:
            connection = session.connection()
            names = sorted(inspect(connection).get_table_names())
            size = _SIZES.get(connection.dialect.name)
        counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in names)
        values = {f"rows.{name}": float(count) for name, count in self.ledger.query(counts)}
        return values | ({"ledger.kb": float(self.ledger.one(size)) / KB} if size else {})


def _pss(place: Path) -> int:
    for line in (place / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _files(folder: Path) -> Iterator[Path]:
    for place, _folders, names in os.walk(folder):
        yield from (Path(place) / name for name in names)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
