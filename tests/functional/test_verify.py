"""``imgmig verify`` as a person or a script uses it, also when it is interrupted."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.functional.installation import DemoSource, Installation, wait_for

pytestmark = pytest.mark.processes
StartSource = Callable[..., DemoSource]


@pytest.fixture
def site(site: Installation, start_source: StartSource) -> Installation:
    """One with an archive of a month."""
    site.add_source(start_source("--documents=24", "--months=1", "--mean-size=40000"))
    batch = site.create_batch("2024-01-01", "2024-01-31")
    site.run("batch", "run", batch)
    workers = site.start("worker"), site.start("agent")
    site.wait_until_ended(batch)
    for running in workers:
        running.stop(signal.SIGTERM)
    return site


def state(site: Installation) -> str | None:
    """Of the latest verification, as the ledger has it."""
    with closing(sqlite3.connect(site.home / "ledger.db", timeout=10)) as ledger:
        row = ledger.execute("SELECT state FROM verifications ORDER BY id DESC").fetchone()
    return None if row is None else str(row[0])


def test_its_scopes_and_what_it_refuses(site: Installation) -> None:
    whole = site.json("verify")
    assert (whole["kind"], whole["state"], whole["documents"]) == ("all", "ended", 18)
    assert site.json("verify", "--month", "2024-01")["documents"] == 18
    assert site.json("verify", "--month", "2024-02")["documents"] == 0
    sample = site.json("verify", "--percent", "20")
    assert (sample["kind"], sample["documents"]) == ("sample", 4)
    again = site.json("verify", "--percent", "20", "--seed", str(sample["seed"]))
    assert again["bytes"] == sample["bytes"]
    parts = [site.json("verify", "--part", f"{number}/3") for number in (1, 2, 3)]
    assert sum(part["files"] for part in parts) == whole["files"]
    counted = site.json("verify", "--counters")
    assert (counted["kind"], counted["looked_at"], counted["findings"]) == ("counters", 1, [])
    for wrong in (
        ("--part", "0/3"),
        ("--part", "4/3"),
        ("--part", "half"),
        ("--percent", "0"),
        ("--seed", "1"),
        ("--month", "2024-13"),
        ("--counters", "--month", "2024-01"),
        ("--resume", "--percent", "5"),
        ("--resume",),
    ):
        assert site.run("verify", *wrong).code == 2, wrong


def test_a_wrong_count_is_found(site: Installation) -> None:
    with closing(sqlite3.connect(site.home / "ledger.db", timeout=10)) as ledger, ledger:
        ledger.execute("UPDATE batches SET stored_files = stored_files + 1")
    ended = site.run("verify", "--counters", "--json")
    assert ended.code == 1
    (finding,) = ended.json["findings"]
    assert finding["code"] == "LEDGER_COUNT"
    assert finding["storage_key"].endswith("/stored_files")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_one_can_be_resumed(site: Installation, number: signal.Signals) -> None:
    """A file that takes long to read holds it up until it is told to stop."""
    path = sorted(site.archived_folders()[7].iterdir())[0]
    content = path.read_bytes()
    os.truncate(path, 1 << 40)  # on the disk it is no larger
    verifying = site.start("verify")
    wait_for("the verification at the file", lambda: _has_open(verifying.process.pid, path))
    os.kill(verifying.process.pid, number)
    verifying.ended()
    assert state(site) == ("running" if number is signal.SIGKILL else "interrupted")
    _put_back(path, content)
    whole = site.json("verify", "--resume")
    assert (whole["documents"], whole["findings"]) == (18, [])
    assert state(site) == "ended"
    assert site.run("verify", "--resume").code == 2


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process has the file open."""
    links = [fd for fd in Path(f"/proc/{pid}/fd").iterdir() if os.path.lexists(fd)]
    with contextlib.suppress(FileNotFoundError):
        return str(path) in [os.readlink(fd) for fd in links]
    return False


def _put_back(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)
