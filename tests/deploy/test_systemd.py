"""The units of systemd, as systemd itself reads them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from portal.cli.main import COMMANDS
from portal.settings import read_settings
from portal.supervisor import STOP_SECONDS
from tests.deploy.setting_names import DEPLOY
from tests.functional.installation import Installation, answers

UNITS = DEPLOY / "systemd"
SERVICES = ("imgmig-web.service", "imgmig-worker.service", "imgmig-agent.service")
PROGRAM = "/opt/imgmig/bin/imgmig"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a program that exists, as systemd-analyze wants one."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    for name in SERVICES:
        text = (folder / name).read_text()
        assert PROGRAM in text
        (folder / name).write_text(text.replace(PROGRAM, "/bin/true"))
    return folder


def analyze(units: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_COLORS": "0"},
    )


def service(name: str) -> dict[str, str]:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names as they are written
    parser.read([UNITS / "imgmig-.service.d" / "10-common.conf", UNITS / name])
    return dict(parser["Service"])


@needs("systemd-analyze")
def test_systemd_finds_nothing_wrong(units: Path) -> None:
    names = [str(units / name) for name in (*SERVICES, "imgmig.target")]
    found = analyze(units, "verify", "--man=no", "--recursive-errors=yes", *names)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@needs("systemd-analyze")
@pytest.mark.parametrize("name", SERVICES)
def test_the_services_can_do_little_harm(units: Path, name: str) -> None:
    found = analyze(units, "security", "--offline=true", "--threshold=20", "--no-pager", name)
    assert found.returncode == 0, found.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    program, command = service(name)["ExecStart"].split()
    assert (program, command in COMMANDS) == (PROGRAM, True)


@pytest.mark.processes
def test_the_pages_service_says_when_it_listens(tmp_path: Path) -> None:
    """What Type=notify waits for."""
    assert service("imgmig-web.service")["Type"] == "notify"
    site = Installation(tmp_path / "home")
    assert site.run("db", "upgrade").code == 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        site.start("web", NOTIFY_SOCKET=str(tmp_path / "notify"))
        try:
            assert b"READY=1" in systemd.recv(1000).split()
            assert answers(f"{site.address}/healthz")
        finally:
            site.kill_all()


def test_nobody_is_killed_while_it_still_drains() -> None:
    drain = read_settings({}).drain_seconds
    assert int(service("imgmig-agent.service")["TimeoutStopSec"]) >= drain + 2 * STOP_SECONDS
    for name in SERVICES:
        assert int(service(name)["TimeoutStopSec"]) > STOP_SECONDS
        assert service(name)["KillMode"] == "mixed"


@needs("systemd-sysusers")
@needs("systemd-tmpfiles")
@pytest.mark.skipif(os.getuid() != 0, reason="only root makes users and folders")
def test_the_user_and_the_folders_are_made(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc" / "imgmig").mkdir(parents=True)
    (root / "etc" / "imgmig" / "imgmig.env").write_text("")
    for program, file in (("sysusers", "imgmig.sysusers"), ("tmpfiles", "imgmig.tmpfiles")):
        more = ["--create"] if program == "tmpfiles" else []
        command = [f"systemd-{program}", f"--root={root}", *more, str(UNITS / file)]
        subprocess.run(command, check=True, capture_output=True)
    users = (root / "etc" / "passwd").read_text()
    (uid,) = re.findall(r"^imgmig:x:(\d+):", users, re.MULTILINE)
    home = (root / "var" / "lib" / "imgmig").stat()
    settings = (root / "etc" / "imgmig" / "imgmig.env").stat()
    assert (home.st_uid, stat.S_IMODE(home.st_mode)) == (int(uid), 0o750)
    assert (settings.st_uid, stat.S_IMODE(settings.st_mode)) == (0, 0o640)
    assert settings.st_gid == home.st_gid
