"""A schema brought forward, and a release put in place host by host, while a batch runs.

The later release is this one with one revision more, and a model that knows it; both are real
programs on the same ledger.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import portal
from portal.services.schema_fit import known_revisions
from tests.functional.installation import DemoSource, Ended, Installation, Running, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]
TENANT = ("--documents", "480", "--mean-size", "40000")
SLOW = "--fault=latency=0.2"
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{before}"
branch_labels = None
depends_on = None
works_since = "{works_since}"


def upgrade() -> None:
    op.create_table("extra_things", sa.Column("id", sa.Integer(), primary_key=True))
    with op.batch_alter_table("batch_items") as items:
        items.add_column(sa.Column("extra", sa.String(length=16), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("batch_items") as items:
        items.drop_column("extra")
    op.drop_table("extra_things")
"""

StartSource = Callable[..., DemoSource]


class Release:
    """A copy of the program with one revision more."""

    def __init__(self, folder: Path, site: Installation, *, works_since: str) -> None:
        root = Path(portal.__file__).parent.parent
        for package in ("portal", "executor", "migrations"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(root / package, folder / package, ignore=ignored)
        text = REVISION.format(before=known_revisions()[-1], works_since=works_since)
        (folder / "migrations" / "versions" / "9001_extra.py").write_text(text)
        model = folder / "portal" / "models" / "item.py"
        column = '    extra: Mapped[str | None] = mapped_column(String(16), default="new")\n'
        model.write_text(model.read_text() + column)
        self._path = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self._site = site

    def start(self, *arguments: str) -> Running:
        return self._site.start(*arguments, PYTHONPATH=self._path)

    def run(self, *arguments: str) -> Ended:
        return self.start(*arguments).ended()


def asked(site: Installation, question: str) -> list[Any]:
    with closing(sqlite3.connect(site.home / "ledger.db", timeout=30)) as ledger:
        return ledger.execute(question).fetchall()


def done(site: Installation, number: str) -> int:
    return int(site.show(number)["done"])


def test_a_running_batch_survives_a_newer_schema_and_a_newer_release(
    site: Installation, start_source: StartSource, tmp_path: Path
) -> None:
    newer = Release(tmp_path / "newer", site, works_since=known_revisions()[-1])
    source = start_source(*TENANT, SLOW)
    site.add_source(source)
    old = {name: site.start(name) for name in ("web", "worker", "agent")}
    site.wait_until_ready(*old.values())
    number = site.create_batch("2024-01-01", "2024-12-31")
    site.run("batch", "run", number)
    site.wait_until_some_are_done(number)
    source.switch(latency=2)  # the batch outlasts everything that is done meanwhile
    workers = set(site.processes("worker", "--one"))

    assert newer.run("db", "upgrade").code == 0
    assert site.show(number)["run_status"] == "running"
    assert asked(site, "SELECT revision FROM schema_floors") == [(known_revisions()[-1],)]
    # The old release goes on, and its commands too; nobody was restarted.
    before = done(site, number)
    wait_for("old workers going on", lambda: done(site, number) > before)
    assert set(site.processes("worker", "--one")) == workers
    site.wait_until_ready(*old.values())

    # One by one: first a new worker beside the old, then the others.
    young = {"worker": newer.start("worker")}
    wait_for("new workers", lambda: len(set(site.processes("worker", "--one")) - workers) == 2)
    assert old["worker"].stop(signal.SIGTERM).code == 0
    before = done(site, number)
    wait_for("new workers going on", lambda: done(site, number) > before)
    assert old["agent"].stop(signal.SIGTERM, seconds=60).code == 0
    young["agent"] = newer.start("agent")
    old["web"].stop(signal.SIGTERM)
    young["web"] = newer.start("web")
    site.wait_until_ready(*young.values())

    assert site.show(number)["run_status"] == "running"
    source.switch()
    report = site.wait_until_ended(number)
    assert report["total"] == 480
    assert (report["done"], report["failed"]) == (source.healthy(), 480 - source.healthy())
    verified = site.json("verify")
    assert verified["findings"] == []
    assert verified["documents"] == report["done"] == len(site.archived_folders())
    assert source.most_downloads_of_a_file() <= 2
    assert site.json("audit", "verify")["sound"]


def test_a_schema_that_the_old_release_cannot_use_waits_until_it_is_stopped(
    site: Installation, tmp_path: Path
) -> None:
    newer = Release(tmp_path / "newer", site, works_since="9001")
    up = site.start_up()
    refused = newer.run("db", "upgrade")
    assert refused.code == 2
    assert "SCHEMA_IN_USE" in refused.err
    assert asked(site, "SELECT version_num FROM alembic_version") == [(known_revisions()[-1],)]
    assert up.is_running()
    up.stop(signal.SIGTERM)
    site.wait_until_gone()
    assert newer.run("db", "upgrade").code == 0
    too_old = site.run("batch", "list")
    assert too_old.code == 2
    assert "SCHEMA_TOO_NEW" in too_old.err
    assert site.start("worker", "--one").ended().code == 2
    assert newer.run("batch", "list").code == 0


def test_a_release_that_is_ahead_of_its_schema_says_what_to_do(
    site: Installation, tmp_path: Path
) -> None:
    newer = Release(tmp_path / "newer", site, works_since=known_revisions()[-1])
    site.run("db", "upgrade")
    ahead = newer.run("batch", "list")
    assert ahead.code == 2
    assert "imgmig db upgrade" in ahead.err
