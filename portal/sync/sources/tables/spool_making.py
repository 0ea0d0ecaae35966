"""Making a spool: the lines of a table, gathered into documents in the order they are listed in.

A SQLite file, so that a million lines take no memory and any page is found at once. It is never
changed once it is made, and never used before it is: so nothing in it is journalled.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from portal.errors import SyncError
from portal.sync.sources.parse import parse_row
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import SourceDocument
from portal.sync.sources.tables.gathering import gathered
from portal.sync.sources.tables.lines import Line
from portal.sync.sources.values import SOURCE_ZONE

_SCHEMA = """
CREATE TABLE lines (seq INTEGER PRIMARY KEY, key TEXT, number INTEGER, document TEXT, files TEXT,
    problem TEXT);
CREATE TABLE staged (seq INTEGER PRIMARY KEY, collected INTEGER, org TEXT, type TEXT,
    files INTEGER, bytes INTEGER, cents INTEGER, row TEXT, problem TEXT);
CREATE TABLE documents (ord INTEGER PRIMARY KEY, collected INTEGER NOT NULL, month TEXT NOT NULL,
    org TEXT NOT NULL, type TEXT NOT NULL, files INTEGER NOT NULL, bytes INTEGER, cents INTEGER);
CREATE TABLE rows (ord INTEGER PRIMARY KEY, row TEXT NOT NULL, problem TEXT);
CREATE TABLE named (kind TEXT, code TEXT, name TEXT, PRIMARY KEY (kind, code)) WITHOUT ROWID;
CREATE TABLE about (version TEXT NOT NULL);
"""
_AT_ONCE = 1000
_ROW, _KEY = "row", "key"
_MOST_CENTS = 10**12
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)


class SpoolMaker:
    """Fills the new file ``path``.

    :param profile: how gathered rows are read, see :func:`gathering.table_profile`
    :param check: refuses paths
    :param on_step: called now and then; what it raises ends the making
    """

    def __init__(
        self,
        path: Path,
        profile: ConnectorProfile,
        check: Callable[[str], None],
        on_step: Callable[[], None],
    ) -> None:
        self._profile = profile
        self._check = check
        self._on_step = on_step
        self._sum = 0
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16000"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)

    def make(self, lines: Iterable[Line], undated_at: datetime | None = None) -> None:
        """Take all the lines.

        :param undated_at: when documents whose time cannot be read count as collected; none is
            with the earliest of the others
        """
        self._db.execute("BEGIN")
        self._store(lines)
        self._gather()
        self._put_in_order(undated_at)
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _store(self, lines: Iterable[Line]) -> None:
        rows = (_stored(line) for line in lines)
        while some := [*itertools.islice(rows, _AT_ONCE)]:
            self._on_step()
            self._db.executemany(
                "INSERT INTO lines (key, number, document, files, problem) VALUES (?, ?, ?, ?, ?)",
                some,
            )
        self._db.execute("CREATE INDEX by_key ON lines (key, seq)")

    def _gather(self) -> None:
        """One document after the other, in the order of their keys."""
        found = self._db.execute(
            "SELECT key, number, document, files, problem FROM lines ORDER BY key, seq"
        )
        made = (self._document(group) for group in _grouped(found))
        while some := [*itertools.islice(made, _AT_ONCE)]:
            self._on_step()
            self._db.executemany(
                "INSERT INTO staged (collected, org, type, files, bytes, cents, row, problem)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [values for values, _ in some],
            )
            self._db.executemany(
                "INSERT OR IGNORE INTO named VALUES (?, ?, ?)",
                [named for _, document in some for named in _named(document)],
            )
        self._db.execute("DROP TABLE lines")

    def _document(self, lines: list[Line]) -> tuple[tuple[Any, ...], SourceDocument]:
        row, problem = gathered(lines, self._check)
        document = parse_row(row, self._profile)
        text = _CANONICAL.encode(row)
        digest = hashlib.sha256(text.encode()).digest()
        self._sum = (self._sum + int.from_bytes(digest, "big")) % 2**256
        sizes = [file.size for file in document.files]
        known = [size for size in sizes if size is not None]
        values = (
            None if document.collected_at is None else _micros(document.collected_at),
            document.org_code,
            document.bill_type_code,
            len(sizes),
            sum(known) if len(known) == len(sizes) else None,
            _cents(document.amount),
            text,
            None if problem is None else json.dumps([problem.code, problem.params]),
        )
        return values, document

    def _put_in_order(self, undated_at: datetime | None) -> None:
        earliest = self._db.execute("SELECT min(collected) FROM staged").fetchone()[0]
        undated = earliest or 0
        if undated_at is not None:
            undated = _micros(undated_at)
        self._db.create_function("month", 1, _month, deterministic=True)
        self._db.execute(
            "CREATE TABLE ordered AS SELECT seq, coalesce(collected, ?) AS collected FROM staged"
            " ORDER BY 2, row, seq",
            (undated,),
        )
        self._on_step()
        self._db.execute(
            "INSERT INTO documents SELECT o.rowid, o.collected, month(o.collected), s.org, s.type,"
            " s.files, s.bytes, s.cents FROM ordered o JOIN staged s ON s.seq = o.seq"
        )
        self._on_step()
        self._db.execute(
            "INSERT INTO rows SELECT o.rowid, s.row, s.problem FROM ordered o"
            " JOIN staged s ON s.seq = o.seq"
        )
        self._on_step()
        self._db.execute("DROP TABLE ordered")
        self._db.execute("DROP TABLE staged")
        self._db.execute("CREATE INDEX by_time ON documents (collected, ord)")
        self._db.execute("INSERT INTO about VALUES (?)", (f"{self._sum:064x}",))


def _stored(line: Line) -> tuple[Any, ...]:
    key = line.key
    document, files = _CANONICAL.encode(line.document), _CANONICAL.encode(line.files)
    if key is None:
        # Lines that name no document are one where they are equal: the ledger cannot tell them.
        key = ("", hashlib.sha256((document + files).encode()).hexdigest())
    return (
        _CANONICAL.encode([_ROW if line.key is None else _KEY, *key]),
        line.number,
        document,
        files,
        None if line.problem is None else json.dumps([line.problem.code, line.problem.params]),
    )


def _grouped(found: Iterable[tuple[Any, ...]]) -> Iterator[list[Line]]:
    for key, rows in itertools.groupby(found, key=lambda row: row[0]):
        lines = [_restored(*row[1:]) for row in rows]
        yield lines[:1] if key.startswith(f'["{_ROW}"') else lines


def _restored(number: int, document: str, files: str, problem: str | None) -> Line:
    error = None
    if problem is not None:
        code, params = json.loads(problem)
        error = SyncError(code, **params)
    return Line(number, json.loads(document), tuple(json.loads(files)), error)


def _named(document: SourceDocument) -> Iterator[tuple[str, str, str]]:
    if document.org_code:
        yield "org", document.org_code, document.org_name
    if document.bill_type_code:
        yield "type", document.bill_type_code, document.bill_type_name


def _micros(when: datetime) -> int:
    return round(when.timestamp() * 1_000_000)


def _month(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros // 1_000_000, UTC).astimezone(SOURCE_ZONE):%Y-%m}"


def _cents(amount: Decimal | None) -> int | None:
    if amount is None:
        return None
    cents = amount * 100
    return int(cents) if cents == int(cents) and abs(cents) < _MOST_CENTS else None
