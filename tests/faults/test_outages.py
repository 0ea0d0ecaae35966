"""Real installations lose what they need in mid-batch: they hold, say why once, and go on alone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.outage_site import SMALL_FILES, OutageSite
from tests.functional.installation import DemoSource, Installation, free_port, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

StartSource = Callable[..., DemoSource]
BRISK = {"latency": 0.2}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[OutageSite]:
    installation = Installation(tmp_path / "home")
    yield OutageSite(installation)
    installation.kill_all()


@pytest.fixture
def start_source(tmp_path: Path) -> Iterator[StartSource]:
    home = Installation(tmp_path / "source")
    yield lambda *options: DemoSource(home, "--months=1", SMALL_FILES, *options)
    home.kill_all()


def test_wrong_credentials_hold_their_source_until_they_are_corrected(
    place: OutageSite, start_source: StartSource
) -> None:
    site = place.site
    refusing, good = start_source("--documents=24"), start_source("--documents=48", "--seed=7")
    site.add_source(refusing, "密钥错误", secret="wrong")
    site.add_source(good, "正常")
    site.start_up()
    held = site.create_batch("2024-01-01", "2024-01-31", source="密钥错误")
    run = site.trigger({"batch": held})
    place.wait_until_held(held, "SRC_CREDENTIALS")
    place.check_complete(good, place.start_batch("正常"))
    place.wait_for_probes("SRC_CREDENTIALS", 1)
    place.check_running_and_nobody_blamed(held)
    wait_for("the job log to name it", lambda: "暂缓：源系统拒绝了 clientId" in site.log_of(run))
    site.add_source(refusing, "密钥错误")
    place.check_complete(refusing, held)
    assert place.notices() == place.notices("hold.lift") == ["SRC_CREDENTIALS"]
    place.check_archive()


def test_sources_that_are_down_hold_alone_whatever_dies_meanwhile(
    place: OutageSite, start_source: StartSource
) -> None:
    """One refuses connections, one answers 503, one is well; then all workers are killed."""
    site = place.site
    where = (f"--bind=127.0.0.1:{free_port()}", "--documents=240")
    refused, failing = start_source(*where), start_source("--documents=240", "--seed=8")
    well = start_source("--documents=24", "--seed=9")
    for name, source in (("断开", refused), ("报错", failing), ("正常", well)):
        site.add_source(source, name)
        source.switch(**BRISK)
    site.start_up()
    batches = [place.start_batch(name) for name in ("断开", "报错")]
    for batch_no in batches:
        wait_for("mid-batch", lambda no=batch_no: site.show(no)["synced"] > 10)
    refused.kill()
    failing.switch(down=1)
    place.wait_until_held(batches[0], "SRC_CONNECTION")
    place.wait_until_held(batches[1], "SRC_SERVER_ERROR")
    place.check_complete(well, place.start_batch("正常"))
    place.wait_until_nothing_is_leased()
    before = place.items()
    for pid in site.processes("worker", "--one"):
        os.kill(pid, signal.SIGKILL)
    place.wait_for_probes("SRC_CONNECTION", 2)
    place.wait_for_probes("SRC_SERVER_ERROR", 2)
    assert place.items() == before
    for batch_no in batches:
        place.check_running_and_nobody_blamed(batch_no)
    refused = start_source(*where)
    failing.switch()
    place.check_complete(refused, batches[0])
    place.check_complete(failing, batches[1])
    assert sorted(place.notices()) == ["SRC_CONNECTION", "SRC_SERVER_ERROR"]
    place.check_archive()


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
    place: OutageSite, start_source: StartSource, disk: Path
) -> None:
    site = place.site
    source = start_source("--documents=240")
    site.add_source(source)
    source.switch(**BRISK)
    site.start_up()
    ballast = disk / "ballast"
    _fill(ballast, room=8_000_000)
    batch_no = place.start_batch("演示源")
    place.wait_until_held(batch_no, "ARCHIVE_FULL")
    place.wait_for_probes("ARCHIVE_FULL", 1)
    place.check_running_and_nobody_blamed(batch_no)
    assert site.show(batch_no)["synced"] > 0
    ballast.unlink()
    synced = site.show(batch_no)["synced"]
    wait_for("it to go on", lambda: site.show(batch_no)["synced"] > synced)
    # Nothing may be open for writing where a file system is to be made read-only.
    assert site.run("batch", "pause", batch_no).code == 0
    wait_for("read-only", lambda: _remount(disk, "ro"))
    assert site.run("batch", "resume", batch_no).code == 0
    place.wait_until_held(batch_no, "ARCHIVE_UNWRITABLE")
    place.wait_for_probes("ARCHIVE_UNWRITABLE", 1)
    place.check_running_and_nobody_blamed(batch_no)
    assert _remount(disk, "rw")
    place.check_complete(source, batch_no)
    assert place.notices() == ["ARCHIVE_FULL", "ARCHIVE_UNWRITABLE"]
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
    place: OutageSite, start_source: StartSource
) -> None:
    """Locked until a worker has waited its whole patience in vain."""
    site = place.site
    source = start_source("--documents=240")
    site.add_source(source)
    source.switch(**BRISK)
    up = site.start_up()
    browser = place.log_in()
    batch_no = place.start_batch("演示源")
    site.wait_until_some_are_done(batch_no)
    with closing(sqlite3.connect(site.home / "ledger.db", timeout=30)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        wait_for("the ledger to be missed", lambda: "the ledger is away" in up.out + up.err, 60)
        page = browser.get(f"{site.address}/batches/{batch_no}", timeout=5)
        assert page.ok
        assert batch_no in page.text
        place.check_running_and_nobody_blamed(batch_no)
        other.execute("ROLLBACK")
    place.check_complete(source, batch_no)
    assert place.notices() == []
    place.check_archive()
