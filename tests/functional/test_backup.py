"""The drill: a backup while a migration runs, everything destroyed, all of it back elsewhere."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.functional.installation import DemoSource, Installation, wait_for
from tests.portal.conftest import SERVERS

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]
TENANT = ("--documents", "240", "--mean-size", "40000")
SLOW = "--fault=latency=0.2"

StartSource = Callable[..., DemoSource]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Installation]:
    """Another, empty installation."""
    installation = Installation(tmp_path / "elsewhere")
    yield installation
    installation.kill_all()


def newer_anchor(site: Installation, anchor: str) -> str | None:
    newest = str(site.json("audit", "anchor")["anchor"])
    return newest if newest != anchor else None


def test_half_a_migration_is_backed_up_destroyed_restored_and_finished(
    site: Installation, elsewhere: Installation, start_source: StartSource, tmp_path: Path
) -> None:
    source = start_source(*TENANT, SLOW)
    site.add_source(source)
    up = site.start_up()
    number = site.create_batch()
    site.trigger({"batch": number})
    site.wait_until_some_are_done(number)
    source.switch(latency=2)  # so that it does not end before the backup does
    wait_for("an anchor", (site.home / "audit-anchors.log").exists)

    made = site.json("backup", str(tmp_path / "backups"))
    assert made["damaged"] == []
    assert made["has_key"]
    seen = len(site.archived_folders())
    wait_for("more after the backup", lambda: len(site.archived_folders()) > seen)
    later = wait_for("more of the trail", lambda: newer_anchor(site, made["anchor"]))
    up.stop(signal.SIGKILL)
    site.wait_until_gone()
    shutil.rmtree(site.home)

    restored = elsewhere.json("restore", str(tmp_path / "backups"))
    assert restored["findings"] == 0
    assert restored["trail"]["sound"]
    assert restored["files"] == made["files"]
    assert restored["documents"] == len(elsewhere.archived_folders())
    assert 0 < restored["documents"] < 240

    source.switch()
    elsewhere.start_up()
    report = elsewhere.wait_until_ended(number)
    assert report["total"] == 240
    assert (report["done"], report["failed"]) == (source.healthy(), 240 - source.healthy())
    verified = elsewhere.json("verify")
    assert verified["findings"] == []
    assert verified["documents"] == report["done"] == len(elsewhere.archived_folders())
    assert elsewhere.json("audit", "verify")["sound"]
    # The trail went on from the backup's end: what came behind it is gone, and that is said.
    lost = elsewhere.run("audit", "verify", "--anchor", later, "--json")
    assert [fault["code"] for fault in lost.json["faults"]] == ["AUDIT_TAIL_RESTORED"]


def test_a_backup_is_restored_into_nothing_only(
    site: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    site.run("db", "upgrade")
    site.run("user", "add", "zhang", "--role", "auditor")
    place = str(tmp_path / "backups")
    site.json("backup", place)
    refused = site.run("restore", place)
    assert refused.code == 2
    assert "RESTORE_NOT_EMPTY" in refused.err
    elsewhere.json("restore", place)
    again = elsewhere.run("restore", place)
    assert "RESTORE_NOT_EMPTY" in again.err


def test_a_restore_that_was_interrupted_is_begun_again(
    site: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    site.run("db", "upgrade")
    site.run("user", "add", "zhang", "--role", "auditor")
    made = site.json("backup", str(tmp_path / "backups"))
    (elsewhere.home / "restore-unfinished").write_text(made["name"])
    shutil.copy(site.home / "secret.key", elsewhere.home / "secret.key")
    refused = elsewhere.run("batch", "list")
    assert refused.code == 2
    assert "imgmig restore" in refused.err
    assert elsewhere.json("restore", made["folder"])["trail"]["sound"]
    assert elsewhere.run("batch", "list").code == 0


@pytest.fixture
def databases() -> Iterator[Callable[[str], dict[str, str]]]:
    """Settings that name an empty database of a kind."""
    with ExitStack() as opened:

        def settings(kind: str) -> dict[str, str]:
            if kind == "sqlite":
                return {}
            return {"PORTAL_DATABASE_URL": opened.enter_context(SERVERS[kind]())}

        yield settings


@pytest.mark.parametrize(
    ("here", "there"),
    [
        pytest.param("postgresql", "postgresql", marks=pytest.mark.postgresql),
        pytest.param("sqlite", "postgresql", marks=pytest.mark.postgresql),
        pytest.param("postgresql", "sqlite", marks=pytest.mark.postgresql),
        pytest.param("mariadb", "mariadb", marks=pytest.mark.mariadb),
        pytest.param("sqlite", "mariadb", marks=pytest.mark.mariadb),
        pytest.param("mariadb", "sqlite", marks=pytest.mark.mariadb),
    ],
)
def test_an_installation_moves_from_one_database_to_another(
    *,
    here: str,
    there: str,
    databases: Callable[[str], dict[str, str]],
    site: Installation,
    elsewhere: Installation,
    start_source: StartSource,
    tmp_path: Path,
) -> None:
    site.settings |= databases(here)
    elsewhere.settings |= databases(there)
    source = start_source("--documents", "40", "--mean-size", "40000")
    site.add_source(source)
    up = site.start_up()
    first = site.create_batch("2024-01-01", "2024-03-31")
    site.run("batch", "run", first)
    report = site.wait_until_ended(first)
    up.stop(signal.SIGTERM)
    made = site.json("backup", str(tmp_path / "backups"))
    assert made["files"] > 0
    restored = elsewhere.json("restore", made["folder"])
    assert restored["findings"] == 0
    assert restored["trail"]["sound"]
    assert elsewhere.show(first)["done"] == report["done"]
    elsewhere.start_up()
    second = elsewhere.create_batch("2024-01-01", "2024-06-30")
    elsewhere.run("batch", "run", second)
    assert elsewhere.wait_until_ended(second)["done"] == source.healthy()
    assert elsewhere.json("verify")["findings"] == []
    assert elsewhere.json("audit", "verify")["sound"]


def test_a_damaged_backup_is_told_before_anything_is_written(
    site: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    site.run("db", "upgrade")
    site.run("user", "add", "zhang", "--role", "auditor")
    made = Path(site.json("backup", str(tmp_path / "backups"))["folder"])
    victim = made / "ledger" / "users.jsonl.gz"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused = elsewhere.run("restore", str(made))
    assert refused.code == 2
    assert "BACKUP_DAMAGED" in refused.err
    assert "users.jsonl.gz" in refused.err
    assert not (elsewhere.home / "ledger.db").exists()
    victim.write_bytes(whole)
    manifest = made / "manifest.json"
    changed = json.loads(manifest.read_text())
    changed["made_by"] = "somebody else"
    manifest.write_text(json.dumps(changed))
    assert "BACKUP_KEY" in elsewhere.run("restore", str(made)).err


def test_without_its_keys_a_backup_needs_them_from_elsewhere(
    site: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    site.run("db", "upgrade")
    made = site.json("backup", str(tmp_path / "backups"), "--without-keys")
    assert not made["has_key"]
    assert not list(Path(made["folder"]).rglob("*secret*"))
    assert "BACKUP_KEY" in elsewhere.run("restore", made["folder"]).err
    shutil.copy(site.home / "secret.key", elsewhere.home / "secret.key")
    assert elsewhere.json("restore", made["folder"])["trail"]["sound"]


def test_nobody_else_can_read_what_a_backup_holds(site: Installation, tmp_path: Path) -> None:
    site.run("db", "upgrade")
    made = Path(site.json("backup", str(tmp_path / "backups"))["folder"])
    open_to_others = [path for path in [made, *made.rglob("*")] if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_an_archive_that_is_ahead_of_its_ledger_does_not_stop_the_migration(
    site: Installation, elsewhere: Installation, start_source: StartSource, tmp_path: Path
) -> None:
    """The archive is kept by other means and is as it was at the end, the ledger is not."""
    source = start_source(*TENANT, SLOW)
    site.add_source(source)
    site.start_up()
    number = site.create_batch()
    site.trigger({"batch": number})
    site.wait_until_some_are_done(number)
    made = site.json("backup", str(tmp_path / "backups"), "--without-archive")
    assert made["files"] is None
    site.wait_until_ended(number)
    site.kill_all()
    shutil.copytree(site.archive, elsewhere.archive)
    restored = elsewhere.json("restore", made["folder"])
    assert restored["findings"] == 0
    assert restored["put_aside"] > 0
    elsewhere.start_up()
    report = elsewhere.wait_until_ended(number)
    assert report["done"] == source.healthy()
    assert elsewhere.json("verify")["findings"] == []
