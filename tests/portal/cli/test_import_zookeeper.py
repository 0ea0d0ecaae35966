"""``imgmig source import-zookeeper`` against a real ZooKeeper."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from portal.cli.source import command
from portal.errors import NotAllowed, SyncError
from portal.ledger import Ledger
from portal.models import AuditEvent, DataSource
from portal.sync.sources.old_settings import CLIENT_ID, STATUS
from tests.portal.ledger_scene import opened_ledger
from tests.portal.zookeeper_nodes import (
    NEEDS_ZOOKEEPER,
    SECRET,
    SOUND,
    Nodes,
    nodes_of_my_own,
)

pytestmark = NEEDS_ZOOKEEPER
NAME = "标准版影像"


@pytest.fixture
def ledger(tmp_path: Path, empty_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """That of the home the commands use."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(empty_sqlite, home / "ledger.db")
    monkeypatch.setenv("IMGMIG_HOME", str(home))
    with opened_ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        yield ledger


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with nodes_of_my_own() as nodes:
        nodes.put_settings()
        yield nodes


def run(*words: str, env: dict[str, str] | None = None, typed: str | None = None) -> Result:
    result = CliRunner().invoke(command, ["import-zookeeper", *words], env=env, input=typed)
    assert SECRET not in result.output + repr(result.exception)
    return result


def stored(ledger: Ledger) -> list[DataSource]:
    with ledger.read() as session:
        return list(session.scalars(select(DataSource)))


def events(ledger: Ledger) -> list[AuditEvent]:
    with ledger.read() as session:
        return list(session.scalars(select(AuditEvent).order_by(AuditEvent.id)))


def test_it_is_seen_then_imported_and_nothing_is_doubled(ledger: Ledger, nodes: Nodes) -> None:
    before = nodes.versions()
    seen = run(nodes.address, "--dry-run").output
    assert "https://api.piaozone.com/" in seen
    assert f"({len(SECRET)})" in seen
    assert "任何人都能读到" in seen
    assert "没有保存" in seen
    assert stored(ledger) == []
    assert "已导入，启用" in run(nodes.address).output
    again = run(nodes.address)
    assert (again.exit_code, "没有改动" in again.output) == (0, True)
    nodes.put_settings({CLIENT_ID: "ent-2"})
    changed = run(nodes.address)
    assert isinstance(changed.exception, NotAllowed)
    assert "--update" in str(changed.exception)
    assert "原来 before: ent-1" in changed.output
    assert "已导入" in run(nodes.address, "--update").output
    (source,) = stored(ledger)
    assert (source.name, source.client_id, source.enabled) == (NAME, "ent-2", True)
    nodes.put_settings({CLIENT_ID: "ent-1"})
    after = nodes.versions()
    path = f"{nodes.root}/api-archive-scan/pri/{CLIENT_ID}"
    assert after.pop(path) != before.pop(path)  # by this test
    assert after == before


def test_another_status_than_two_imports_it_disabled(ledger: Ledger, nodes: Nodes) -> None:
    nodes.put_settings({STATUS: "1"})
    assert "停用" in run(nodes.address).output
    assert not stored(ledger)[0].enabled


def test_a_script_reads_what_was_found_and_done(ledger: Ledger, nodes: Nodes) -> None:
    told = json.loads(run(nodes.address, "--name", "旧", "--json").output)
    assert (told["name"], told["outcome"], told["missing"]) == ("旧", "added", [])
    assert told["found"][CLIENT_ID] == SOUND[CLIENT_ID]
    assert (told["secret_in_the_clear"], told["open_to_all"]) == (True, True)
    told = json.loads(run(nodes.address, "--json").output)
    assert (told["name"], told["outcome"]) == ("旧", "unchanged")


def test_the_login_is_asked_for_or_comes_from_the_environment(ledger: Ledger, nodes: Nodes) -> None:
    for key in SOUND:
        nodes.put(f"guarded/{key}", SOUND[key].encode(), digest="reader:pass")
    refused = run(nodes.address, "guarded")
    assert isinstance(refused.exception, SyncError)
    assert refused.exception.code == "ZK_REFUSED"
    asked = run(nodes.address, "guarded", "--login", "--dry-run", typed="reader:pass\n")
    assert (asked.exit_code, "ent-1" in asked.output) == (0, True)
    assert "reader:pass" not in asked.output
    given = run(nodes.address, "guarded", env={"ZOOKEEPER_LOGIN": "reader:pass"})
    assert "已导入" in given.output
    assert len(stored(ledger)) == 1
    assert "reader:pass" not in str([event.detail for event in events(ledger)])


def test_the_trail_tells_of_reading_and_importing_and_no_secret(
    ledger: Ledger, nodes: Nodes
) -> None:
    run(nodes.address, "nowhere")
    run(nodes.address)
    told = events(ledger)
    assert [event.action for event in told] == [
        "source.read-zookeeper",
        "source.read-zookeeper",
        "source.add",
        "source.import",
    ]
    assert told[0].detail is not None
    assert told[0].detail["path"] == f"{nodes.root}/nowhere"
    assert told[-1].detail is not None
    assert told[-1].detail["keys"] == list(SOUND)
    assert SECRET not in str([(event.detail, event.reason, event.new) for event in told])
