"""The ledger into files and back: every table as compressed lines, from one moment's view."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from executor.models import Base as ExecutorBase
from portal.errors import SyncError
from portal.models import Base
from portal.services.backup.manifest import KeptTable
from portal.services.backup.rows import DumpedTable, Row, dumped_table, lines, rows

FOLDER = "ledger"
#: What the schema itself keeps, not anybody's work.
OF_THE_SCHEMA = frozenset({"alembic_version", "schema_floors"})
# Who lives now: of no use to an installation in which nobody lives yet.
_OF_PROCESSES = frozenset(
    {
        *(
            "workers",
            "clerks",
            "process_beats",
            "duties",
            "ledger_commits",
            "logins",
            "login_waits",
        ),
        *("executor_agents", "executor_locks"),
    }
)
_MANY = 1000
# Little is gained by more, and it would take several times as long.
_LEVEL = 1
# What a file that is not whole, or not ours, makes of reading it.
_TORN = (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, RecursionError)

OnRows = Callable[[str, int], None]


def tables() -> list[DumpedTable]:
    """What is copied, in the order in which it can be filled again."""
    return [
        dumped_table(table)
        for metadata in (Base.metadata, ExecutorBase.metadata)
        for table in metadata.sorted_tables
        if table.name not in _OF_PROCESSES | OF_THE_SCHEMA
    ]


def path_of(table: DumpedTable) -> str:
    """Where a table's lines lie below the backup's folder."""
    return f"{FOLDER}/{table.name}.jsonl.gz"


def dump(session: Session, table: DumpedTable, folder: Path, on_rows: OnRows) -> KeptTable:
    """Write a table's rows, in the order of its key.

    :raises SyncError: BACKUP_ROW for a value that no program of ours wrote
    """
    with gzip.open(folder / path_of(table), "wb", compresslevel=_LEVEL) as file:
        return _digested(session, table, file.write, on_rows)


def digest(session: Session, table: DumpedTable, on_rows: OnRows) -> KeptTable:
    """What a dump of the table would be, without writing it."""
    return _digested(session, table, lambda _data: None, on_rows)


def load(session: Session, kept: KeptTable, folder: Path, on_rows: OnRows) -> None:
    """Insert a table's rows into an empty one.

    :raises SyncError: BACKUP_DAMAGED; RESTORE_DIFFERS for what the database does not take
    """
    table = kept.table
    insert = table.table().insert()
    connection = session.connection()
    try:
        with gzip.open(folder / path_of(table), "rt", encoding="ascii") as file:
            inside = rows(table, file)
            while some := list(islice(inside, _MANY)):
                connection.execute(insert, some)
                on_rows(table.name, len(some))
    except _TORN as error:
        raise SyncError("BACKUP_DAMAGED", path=path_of(table)) from error
    except (DataError, IntegrityError) as error:
        raise SyncError("RESTORE_DIFFERS", table=table.name) from error


def number_on(session: Session, table: DumpedTable) -> None:
    """Have PostgreSQL number new rows behind the loaded ones; the others do it by themselves."""
    if session.get_bind().dialect.name != "postgresql" or table.key != ("id",):
        return
    session.execute(
        sa.text(
            f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) "  # noqa: S608
            f"FROM {table.name} HAVING max(id) IS NOT NULL"
        )
    )


def _digested(
    session: Session, table: DumpedTable, write: Callable[[bytes], object], on_rows: OnRows
) -> KeptTable:
    total, found = hashlib.sha256(), 0
    for some in _pieces(lines(table, _rows(session, table))):
        data = "".join(some).encode("ascii")
        total.update(data)
        write(data)
        found += len(some)
        on_rows(table.name, len(some))
    return KeptTable(table, found, total.hexdigest())


def _rows(session: Session, table: DumpedTable) -> Iterator[Row]:
    """The rows in an order that is the same on every database."""
    clause = table.table()
    if any(column.name in table.key and column.kind == "text" for column in table.columns):
        # Databases order texts differently; such tables are small.
        places = [[c.name for c in table.columns].index(name) for name in table.key]
        found = _read(session, table, sa.select(clause))
        return iter(sorted(found, key=lambda row: [row[place] for place in places]))
    ordered = sa.select(clause).order_by(*(clause.c[name] for name in table.key))
    return _read(session, table, ordered)


def _read(session: Session, table: DumpedTable, query: sa.Select[Any]) -> Iterator[Row]:
    options = {"yield_per": _MANY}
    try:
        yield from session.connection().execute(query, execution_options=options)
    except (ValueError, TypeError, ArithmeticError, SQLAlchemyError) as error:
        detail = str(getattr(error, "orig", error)).splitlines()[0][:120]
        raise SyncError("BACKUP_ROW", table=table.name, detail=detail) from error


def _pieces(texts: Iterable[str]) -> Iterator[list[str]]:
    inside = iter(texts)
    while some := list(islice(inside, _MANY)):
        yield some


def write_list(path: Path, values: Iterable[Row]) -> None:
    """A list beside the tables, in the same form."""
    with gzip.open(path, "wb", compresslevel=_LEVEL) as file:
        for some in _pieces(f"{json.dumps(list(value))}\n" for value in values):
            file.write("".join(some).encode("ascii"))


def read_list(path: Path) -> Iterator[list[Any]]:
    """What :func:`write_list` wrote.

    :raises SyncError: BACKUP_DAMAGED
    """
    try:
        with gzip.open(path, "rt", encoding="ascii") as texts:
            for line in texts:
                value = json.loads(line)
                if not isinstance(value, list):
                    raise ValueError("no line of a list")
                yield value
    except _TORN as error:
        raise SyncError("BACKUP_DAMAGED", path=path.name) from error
