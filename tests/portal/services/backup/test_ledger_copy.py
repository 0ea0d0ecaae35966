"""The ledger from any database into any other, exact in every column of every table."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from executor.models import Base as ExecutorBase
from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import Base
from portal.services import audit
from portal.services.backup import ledger_copy
from portal.services.backup.manifest import KeptTable, Manifest
from portal.services.backup.restoring import FoundBackup, load_ledger
from portal.services.backup.rows import DumpedTable, dumped_table
from tests.portal.conftest import migrated
from tests.portal.ledger_scene import opened_ledger

NOW = datetime(2026, 11, 22, 8, 0, 0, 123456, tzinfo=UTC)
TEXT = "发票 “引号” 'x' \\ \t\n\u2028 𠮷😀 Ünïcode"
MODELS = {
    table.name: table
    for metadata in (Base.metadata, ExecutorBase.metadata)
    for table in metadata.sorted_tables
}


def value(column: sa.Column[Any], kind: str, number: int) -> Any:
    """Something hard to keep, different for every row."""
    if column.nullable and number == 2:
        return None
    if column.foreign_keys or (column.primary_key and kind == "int"):
        return number
    if isinstance(column.type, sa.SmallInteger):
        return number
    length = int(getattr(column.type, "length", None) or 2000)
    values = {
        "text": f"{number}{TEXT}{'长' * 2000}"[:length],
        "int": (1 << 30) + number,
        "instant": NOW + timedelta(microseconds=number),
        "date": date(2024, 2, 29) + timedelta(days=number),
        "decimal": Decimal(f"-1234567890{number}.07"),
        "float": 0.1 + number,
        "bytes": bytes(range(256)) + bytes([number]),
        "bool": bool(number % 2),
    }
    json = {"深": [1, 0.1, None, True, {"字": TEXT, "": ""}], "n": number}
    return values.get(kind.partition(".")[0], json)


def fill(ledger: Ledger) -> None:
    """Three rows in every table there is."""
    with ledger.write() as session:
        for table in ledger_copy.tables():
            columns = [MODELS[table.name].c[column.name] for column in table.columns]
            rows = [
                {
                    column.name: value(column, kind, number)
                    for column, (_, kind) in zip(columns, table.columns, strict=True)
                }
                for number in (1, 2, 3)
            ]
            session.execute(table.table().insert(), rows)


def nobody(_table: str, _rows: int) -> None:
    pass


def dumped(ledger: Ledger, folder: Path) -> FoundBackup:
    (folder / ledger_copy.FOLDER).mkdir(parents=True)
    with ledger.snapshot() as session:
        tables = [ledger_copy.dump(session, each, folder, nobody) for each in ledger_copy.tables()]
    manifest = Manifest(
        name="b", as_of=NOW, made_by="cli:x", host="h", version="1", revision="x",
        database="sqlite", timezone="Asia/Shanghai", anchor=None, has_key=False,
        tables=tuple(tables), files=(), archive=None,
    )  # fmt: skip
    return FoundBackup(folder, manifest)


@pytest.fixture
def other(fresh_database: str, tmp_path: Path) -> Iterator[Ledger]:
    """A second ledger, with a schema and nothing else."""
    migrated(tmp_path / "other", fresh_database)
    with opened_ledger(fresh_database) as ledger:
        yield ledger


@pytest.fixture
def two(empty_sqlite: Path, tmp_path: Path) -> Iterator[tuple[Ledger, Ledger]]:
    """A full ledger and an empty one, where the kind of database makes no difference."""
    for name in ("full.db", "empty.db"):
        shutil.copy(empty_sqlite, tmp_path / name)
    with (
        opened_ledger(f"sqlite:///{tmp_path / 'full.db'}") as full,
        opened_ledger(f"sqlite:///{tmp_path / 'empty.db'}") as empty,
    ):
        fill(full)
        yield full, empty


def test_every_table_comes_back_exactly_on_any_database(
    ledger: Ledger, other: Ledger, tmp_path: Path
) -> None:
    fill(ledger)
    found = dumped(ledger, tmp_path / "backup")
    with other.write() as session:
        load_ledger(session, found, lambda *_: None)
    with other.read() as session:
        again = [ledger_copy.digest(session, kept.table, nobody) for kept in found.manifest.tables]
    assert again == list(found.manifest.tables)
    assert {kept.rows for kept in again} == {3}
    with ledger.read() as here, other.read() as there:
        for table in ledger_copy.tables():
            query = sa.select(table.table()).order_by(*(sa.column(name) for name in table.key))
            ours, theirs = here.execute(query).all(), there.execute(query).all()
            assert [tuple(row) for row in ours] == [tuple(row) for row in theirs]
    # New rows are numbered behind the restored ones.
    with other.write() as session:
        audit.record(session, "user.login", by="zhang", at=NOW)
    with other.read() as session:
        ids = session.scalars(sa.text("SELECT id FROM audit_events ORDER BY id")).all()
    assert ids == [1, 2, 3, 4]


def test_a_table_that_is_not_what_the_backup_says_is_refused(
    two: tuple[Ledger, Ledger], tmp_path: Path
) -> None:
    ledger, other = two
    found = dumped(ledger, tmp_path / "backup")
    wrong = tuple(
        replaced(kept) if kept.table.name == "users" else kept for kept in found.manifest.tables
    )
    manifest = replace(found.manifest, tables=wrong)
    with pytest.raises(SyncError) as refused, other.write() as session:
        load_ledger(session, FoundBackup(found.folder, manifest), lambda *_: None)
    assert (refused.value.code, refused.value.params) == ("RESTORE_DIFFERS", {"table": "users"})
    with other.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM documents")) == 0


def replaced(kept: KeptTable) -> KeptTable:
    return KeptTable(kept.table, kept.rows, "0" * 64)


@pytest.mark.parametrize("junk", [b"", b"[1]\n", b"{}\n", b"not json\n"])
def test_a_torn_file_of_a_backup_is_told(
    two: tuple[Ledger, Ledger], tmp_path: Path, junk: bytes
) -> None:
    ledger, other = two
    found = dumped(ledger, tmp_path / "backup")
    path = found.folder / "ledger" / "batches.jsonl.gz"
    path.write_bytes(gzip.compress(junk) if junk else path.read_bytes()[:-20])
    with pytest.raises(SyncError) as refused, other.write() as session:
        load_ledger(session, found, lambda *_: None)
    assert refused.value.code == "BACKUP_DAMAGED"


def test_what_is_written_after_the_moment_is_not_in_the_copy(
    ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / ledger_copy.FOLDER).mkdir()
    (events,) = (one for one in ledger_copy.tables() if one.name == "audit_events")
    (batches,) = (one for one in ledger_copy.tables() if one.name == "batches")
    with ledger.snapshot() as session:
        assert ledger_copy.dump(session, batches, tmp_path, nobody).rows == 0
        with ledger.write() as writing:
            audit.record(writing, "user.login", by="zhang", at=NOW)
        assert ledger_copy.dump(session, events, tmp_path, nobody).rows == 0


def test_every_column_of_the_models_has_a_kind_and_a_dump_names_it() -> None:
    unknown = sa.Table("t", sa.MetaData(), sa.Column("x", sa.Interval, primary_key=True))
    with pytest.raises(TypeError):
        dumped_table(unknown)
    (documents,) = (one for one in ledger_copy.tables() if one.name == "documents")
    assert isinstance(documents, DumpedTable)
    assert dict(documents.columns)["amount"] == "decimal.2"
    assert dict(documents.columns)["collected_at"] == "instant"


def test_a_value_no_program_of_ours_wrote_is_named(ledger: Ledger, tmp_path: Path) -> None:
    if ledger.url.get_backend_name() != "sqlite":
        pytest.skip("only SQLite keeps such a value")
    (tmp_path / ledger_copy.FOLDER).mkdir()
    with ledger.write() as session:
        session.execute(
            sa.text(
                "INSERT INTO users (name, password_hash, role, enabled, created_at) "
                "VALUES ('x', 'x', 'admin', 1, 'yesterday')"
            )
        )
    (users,) = (one for one in ledger_copy.tables() if one.name == "users")
    with pytest.raises(SyncError) as refused, ledger.snapshot() as session:
        ledger_copy.dump(session, users, tmp_path, nobody)
    assert refused.value.code == "BACKUP_ROW"
    assert refused.value.params["table"] == "users"
