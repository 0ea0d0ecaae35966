"""The example of /etc/imgmig/imgmig.env, and the command that reads it."""

from __future__ import annotations

import getpass
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from portal.settings import read_settings
from tests.deploy.setting_names import DEPLOY, EXAMPLE, example_lines, known_names

MANUAL = Path(__file__).parents[2] / "docs" / "zh" / "安装.md"


def test_it_names_every_setting_and_no_other() -> None:
    assert set(example_lines()) == known_names()


def test_the_manual_explains_every_setting_and_no_other() -> None:
    told = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", MANUAL.read_text(), re.MULTILINE))
    assert told == known_names()


@pytest.mark.parametrize("name", sorted(example_lines()))
def test_what_it_shows_can_be_used_as_it_stands(name: str, tmp_path: Path) -> None:
    """With all the others, but for secrets that are given in a file or directly."""
    given = {one: value for one, value in example_lines().items() if not one.endswith("_FILE")}
    if name.endswith("_FILE"):
        (tmp_path / "secret").write_text("k" * 40)
        del given[name.removesuffix("_FILE")]
        given[name] = str(tmp_path / "secret")
    read_settings(given)


def test_each_line_is_quoted_as_shell_systemd_and_compose_agree_on() -> None:
    lines = [line for line in EXAMPLE.read_text().splitlines() if re.match(r"#?[A-Z]", line)]
    assert [line for line in lines if not re.fullmatch(r"#?[A-Z0-9_]+='[^']*'", line)] == []


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The shipped command, with other places and the user that runs the tests."""
    program = tmp_path / "program"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]))\n"
    )
    program.chmod(0o755)
    (tmp_path / "home").mkdir()
    text = (DEPLOY / "bin" / "imgmig").read_text()
    for old, new in {
        "!= imgmig ]": f"!= {getpass.getuser()} ]",
        "/etc/imgmig/imgmig.env": str(tmp_path / "imgmig.env"),
        "/var/lib/imgmig": str(tmp_path / "home"),
        "/opt/imgmig/bin/imgmig": str(program),
    }.items():
        assert old in text
        text = text.replace(old, new)
    changed = tmp_path / "imgmig"
    changed.write_text(text)
    changed.chmod(0o755)
    return changed


def test_the_command_has_the_settings_of_the_services(command: Path, tmp_path: Path) -> None:
    hard = 's3://bucket/a b?endpoint=http://h:1&region=$x`y`"z\\'
    (tmp_path / "imgmig.env").write_text(f"# 说明\nPORTAL_ARCHIVE_URL='{hard}'\n#PORTAL_BIND='x'\n")
    environ = {"PATH": os.environ["PATH"], "SUDO_USER": "zhoumin", "LOGNAME": "root"}
    out = subprocess.check_output([command, "batch", "show", "a b"], env=environ, text=True)
    arguments, place, seen = json.loads(out)
    assert arguments == ["batch", "show", "a b"]
    assert place == str(tmp_path / "home")
    assert (seen["PORTAL_ARCHIVE_URL"], "PORTAL_BIND" in seen) == (hard, False)
    assert seen["LOGNAME"] == "zhoumin"


def test_the_command_ends_where_there_are_no_settings(command: Path) -> None:
    ended = subprocess.run([command, "db", "upgrade"], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "imgmig.env" in ended.stderr
    assert ended.stdout == ""
