"""The folder for hosts without internet, made as documented, in a copy of the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portal.settings import PREFIXES

ROOT = Path(__file__).parents[2]
SOURCES = ("portal", "executor", "migrations", "deploy", "docs", "supply")
FILES = (
    "Makefile",
    "setup.cfg",
    "pyproject.toml",
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "wsgi.py",
)


def outside() -> dict[str, str]:
    """An environment in which nothing of this source tree or of an index is found by itself."""
    foreign = ("PYTHON", "PIP_FIND_LINKS", "PIP_INDEX", "VIRTUAL_ENV", *PREFIXES)
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    ended = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=outside() | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


def make_wheelhouse(place: Path) -> Path:
    """Where it is made: skips the test when there is no index to take wheels from."""
    probe = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "click"]
    if subprocess.run([*probe, "--dest", place / "probe"], check=False).returncode != 0:
        pytest.skip("there is no package index to take wheels from")
    copy = place / "sources"
    copy.mkdir()
    for name in SOURCES:
        skipped = shutil.ignore_patterns("__pycache__", "*.pot")
        shutil.copytree(ROOT / name, copy / name, ignore=skipped)
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    run("make", "wheelhouse", f"PYTHON={sys.executable}", f"VENV={place}/venv", cwd=copy)
    return copy / "dist" / "wheelhouse"
