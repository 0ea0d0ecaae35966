"""What an installation is asked, on each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portal.ledger import Ledger
from portal.models import Base, utc_now
from portal.services import beats, clocks, leases
from portal.services.readiness import room
from portal.services.readiness.checks import Check
from portal.services.readiness.ledger import LedgerChecks
from portal.services.readiness.standard import readiness_of
from portal.sync.archive.local import LocalArchive
from tests.portal.ledger_scene import opened_ledger


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """What is looked at opens connections of its own, by the ledger's address."""
    with opened_ledger(database_url, alone=True) as ledger:
        yield ledger


def found(
    ledger: Ledger, home: Path, *, probe_queue: Callable[[], None] = lambda: None
) -> Mapping[str, Check]:
    """Every check by its name, freshly made."""
    archive = LocalArchive(home / "archive")
    readiness = readiness_of(ledger, archive, probe_queue=probe_queue, home=home)
    return {check.name: check for check in readiness.look()}


def failures(checks: Mapping[str, Check]) -> dict[str, str]:
    return {name: check.code for name, check in checks.items() if not check.ok}


def let_live(ledger: Ledger, now: datetime) -> None:
    """A worker and an agent, seen at that time."""
    with ledger.write() as session:
        beats.beat(session, "agent", now=now)
        leases.beat(session, "host-a.0a1b2c.0", pid=7, batch_id=None, now=now)


def test_a_working_installation_is_ready(ledger: Ledger, tmp_path: Path) -> None:
    let_live(ledger, utc_now())
    checks = found(ledger, tmp_path)
    assert failures(checks) == {}
    assert [*checks] == [
        *("ledger", "schema", "agent", "worker", "clock", "queue", "archive", "disk")
    ]
    assert checks["worker"].detail[1] == "host-a: 1"


@pytest.mark.parametrize("away", [-60, 60])
def test_processes_that_were_not_seen_lately_are_missed(
    ledger: Ledger, tmp_path: Path, away: int
) -> None:
    let_live(ledger, utc_now() + timedelta(seconds=away))
    missing = {"agent": "NO_AGENT_ALIVE", "worker": "NO_WORKER_ALIVE"}
    assert failures(found(ledger, tmp_path)) == missing


def test_a_process_that_ends_in_order_is_missed_at_once(ledger: Ledger, tmp_path: Path) -> None:
    let_live(ledger, utc_now())
    with ledger.write() as session:
        beats.leave(session, "agent")
    assert failures(found(ledger, tmp_path)) == {"agent": "NO_AGENT_ALIVE"}


def test_the_killed_are_forgotten_and_the_living_are_kept(ledger: Ledger) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with ledger.write() as session:
        beats.beat(session, "agent", now=now - timedelta(hours=2))
        beats.beat(session, "clerk", now=now)
        beats.forget_gone(session, now=now)
        assert [one.kind for one in beats.alive(session, now=now)] == ["clerk"]
        (one,) = beats.alive(session, now=now)
        assert one.memory_bytes > 1_000_000
        assert one.threads >= 1
        assert one.open_files >= 3


def test_a_ledger_of_another_version_is_not_ready(ledger: Ledger, tmp_path: Path) -> None:
    with ledger.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    try:
        assert set(failures(found(ledger, tmp_path)).values()) == {"SCHEMA_NOT_CURRENT"}
    finally:
        from portal.services.schema_fit import known_revisions  # noqa: PLC0415

        with ledger.write() as session:
            session.connection().exec_driver_sql(
                f"UPDATE alembic_version SET version_num = '{known_revisions()[-1]}'"
            )


def test_an_empty_database_is_not_ready(tmp_path: Path) -> None:
    with opened_ledger(f"sqlite:///{tmp_path / 'new.db'}", alone=True) as ledger:
        checks = found(ledger, tmp_path)
    assert failures(checks)["schema"] == "SCHEMA_NOT_CURRENT"
    assert Base.metadata.tables  # the models are there, their tables are not


def test_a_ledger_that_cannot_be_opened_is_said_once_and_only_to_insiders(tmp_path: Path) -> None:
    folder = tmp_path / "is-a-folder"
    folder.mkdir()
    with opened_ledger(f"sqlite:///{folder}", alone=True) as ledger:
        (first, *_) = LedgerChecks(ledger)()
    assert first.code == "LEDGER_AWAY"
    assert "unable to open" in first.as_private()["detail_en"]
    assert "unable to open" not in str(first.as_public())


def test_stores_that_cannot_be_written_are_named(ledger: Ledger, tmp_path: Path) -> None:
    let_live(ledger, utc_now())
    (tmp_path / "archive").write_text("a file where the folder should be")

    def refuse() -> None:
        raise OSError("queue of host-b is read-only")

    checks = found(ledger, tmp_path, probe_queue=refuse)
    assert failures(checks) == {"queue": "QUEUE_UNWRITABLE", "archive": "ARCHIVE_UNWRITABLE"}
    assert "host-b" in checks["queue"].text("en")
    assert "host-b" not in str(checks["queue"].as_public())
    assert str(tmp_path) not in str(checks["archive"].as_public())


def test_a_full_disk_is_seen_before_it_is_full(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive = LocalArchive(tmp_path / "archive")
    monkeypatch.setattr(room, "HOME_BYTES", 1 << 60)
    (check,) = room.room_checks(tmp_path / "not" / "yet", archive)
    assert check.code == "DISK_SHORT"


@pytest.mark.postgresql
def test_a_clock_that_is_off_is_seen(
    monkeypatch: pytest.MonkeyPatch, migrated_postgresql: str
) -> None:
    monkeypatch.setitem(
        clocks._NOW, "postgresql", "SELECT extract(epoch FROM clock_timestamp()) - 60"
    )
    with opened_ledger(migrated_postgresql) as ledger:
        codes = {check.name: check.code for check in LedgerChecks(ledger)()}
    assert codes["clock"] == "HOST_CLOCK"
