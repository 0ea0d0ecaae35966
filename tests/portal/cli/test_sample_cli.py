"""``imgmig sample`` as a script uses it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portal.cli.sample import command
from portal.errors import NotAllowed
from portal.models import AuditEvent, Verdict
from portal.sync.archive.local import LocalArchive
from tests.portal.ledger_scene import Scene, opened_ledger
from tests.portal.services.archive_scene import archived_batch
from tests.portal.services.sample_scene import NONCE, Sampling


@pytest.fixture
def sampling(
    tmp_path: Path, empty_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sampling]:
    """Three documents in the archive of the home that the commands use."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(empty_sqlite, home / "ledger.db")
    monkeypatch.setenv("IMGMIG_HOME", str(home))
    with opened_ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        scene = Scene(ledger)
        archived_batch(scene, LocalArchive(home / "archive"))
        yield Sampling(scene, home)


def run(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def test_samples_are_listed_and_shown(sampling: Sampling) -> None:
    sample_id = sampling.drawn(size="2")
    for position in (1, 2):
        sampling.judge(sample_id, position, Verdict.MATCH, "好")
    sampling.close(sample_id)
    (listed,) = json.loads(run("list", "--source", "影像系统", "--json").output)
    assert (listed["month"], listed["state"], listed["documents"]) == ("2024-01", "closed", 3)
    shown = json.loads(run("show", str(sample_id), "--json").output)
    assert (shown["size"], shown["found"], shown["bound"], shown["nonce"]) == (2, 0, 1, NONCE)
    assert [one["verdict"] for one in shown["drawn"]] == ["match", "match"]
    assert shown["manifest_sha256"] in shown["recipe"]
    told = run("show", str(sample_id)).output
    assert "清单中不相符的单据不超过 1 份" in told
    assert "no more than 1 documents" in told
    assert "closed" in run("list").output


def test_the_manifest_is_written_as_it_was_sealed(sampling: Sampling, tmp_path: Path) -> None:
    waiting = run("manifest", str(sampling.asked()), "--output", str(tmp_path / "m"))
    assert isinstance(waiting.exception, NotAllowed)
    sample_id = sampling.sealed()
    told = run("manifest", str(sample_id), "--output", str(tmp_path / "m")).output
    digest = hashlib.sha256((tmp_path / "m").read_bytes()).hexdigest()
    assert digest == sampling.find(sample_id).manifest_sha256
    assert digest in told
    with sampling.scene.ledger.read() as session:
        (event,) = session.query(AuditEvent).filter_by(action="sample.manifest")
    assert event.actor.startswith("cli:")
