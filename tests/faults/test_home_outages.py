"""A real installation loses its disk or its ledger in mid-batch: it waits and goes on alone."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.outage_site import BRISK, OutageSite, demo_source, outage_site
from tests.functional.installation import SOURCE, DemoSource, Installation, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[OutageSite]:
    with outage_site(tmp_path / "home") as place:
        yield place


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DemoSource]:
    home = Installation(tmp_path / "source")
    source = demo_source(home, "--documents=240")
    source.switch(**BRISK)
    yield source
    home.kill_all()


@pytest.fixture
def disk(place: OutageSite, tmp_path: Path) -> Iterator[Path]:
    """A small file system for the archive of the site."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=80m", "none", str(disk))
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    place.site.settings["PORTAL_ARCHIVE_URL"] = f"file://{disk / 'archive'}"
    (disk / "archive").mkdir()
    yield disk
    place.site.kill_all()
    subprocess.run(("umount", "-l", str(disk)), check=True)


def test_a_full_disk_and_a_read_only_one_hold_everything(
    place: OutageSite, source: DemoSource, disk: Path
) -> None:
    site = place.site
    site.add_source(source)
    site.start("up")
    site.wait_until_alive()  # not ready: so small a disk is short from the beginning
    ballast = disk / "ballast"
    _fill(ballast, room=8_000_000)
    batch_no = place.start_batch(SOURCE)
    place.wait_until_held(batch_no, "ARCHIVE_FULL")
    place.check_running_and_nobody_blamed(batch_no)
    assert site.show(batch_no)["synced"] > 0
    ballast.unlink()
    synced = site.show(batch_no)["synced"]
    place.wait_until_synced(batch_no, synced)
    # Else the hold that is there would only take on the other cause.
    wait_for("the hold to be lifted", lambda: not place.holds(batch_no))
    # Nothing may be open for writing where a file system is to be made read-only.
    assert site.run("batch", "pause", batch_no).code == 0
    wait_for("read-only", lambda: _remount(disk, "ro"))
    assert site.run("batch", "resume", batch_no).code == 0
    place.wait_until_held(batch_no, "ARCHIVE_UNWRITABLE")
    place.check_running_and_nobody_blamed(batch_no)
    assert _remount(disk, "rw")
    place.check_complete(source, batch_no)
    assert place.notices("hold.open") == ["ARCHIVE_FULL", "ARCHIVE_UNWRITABLE"]
    place.check_archive()


def _fill(ballast: Path, *, room: int) -> None:
    """Leave so many bytes free."""
    there = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, there.f_bavail * there.f_frsize - room)


def _remount(disk: Path, mode: str) -> bool:
    remount = ("mount", "-o", f"remount,{mode}", str(disk))
    return subprocess.run(remount, capture_output=True, check=False).returncode == 0


def test_a_locked_ledger_is_waited_for_and_its_pages_still_answer(
    place: OutageSite, source: DemoSource
) -> None:
    """Locked until a worker has waited its whole patience in vain."""
    site = place.site
    site.add_source(source)
    up = site.start_up()
    browser = place.log_in()
    batch_no = place.start_batch(SOURCE)
    site.wait_until_some_are_done(batch_no)
    with closing(sqlite3.connect(site.home / "ledger.db", timeout=30)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        wait_for("the ledger to be missed", lambda: "trying again" in up.out + up.err, 60)
        page = browser.get(f"{site.address}/batches/{batch_no}", timeout=5)
        assert page.ok
        assert batch_no in page.text
        place.check_running_and_nobody_blamed(batch_no)
        other.execute("ROLLBACK")
    place.check_complete(source, batch_no)
    assert place.notices("hold.open") == []
    place.check_archive()
