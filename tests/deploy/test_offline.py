"""What a host without internet is given: that it is whole, and that it installs and migrates."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import pytest

from supply.lock import RUNTIME, read_lock
from tests.deploy.offline_folder import SOURCES, run

# What is in the folders but is not needed to run.
NOT_SHIPPED = {"executor/README.md", "portal/translations/babel.cfg"}

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]


def test_the_wheel_holds_every_file_of_the_product(wheelhouse: Path) -> None:
    (wheel,) = wheelhouse.glob("imaging_migration_portal-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        held = {name for name in packed.namelist() if ".dist-info/" not in name}
    copy = wheelhouse.parents[1]
    paths = [path for name in SOURCES[:3] for path in (copy / name).rglob("*") if path.is_file()]
    needed = {str(path.relative_to(copy)) for path in paths} | {"wsgi.py"}
    assert needed - held == NOT_SHIPPED
    assert held - needed == set()


def test_what_is_in_the_folder_can_be_checked(wheelhouse: Path) -> None:
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=wheelhouse)
    lines = (wheelhouse / "SHA256SUMS").read_text().splitlines()
    listed = {line.split("  ./", 1)[1] for line in lines}
    there = {str(p.relative_to(wheelhouse)) for p in wheelhouse.rglob("*") if p.is_file()}
    assert listed == there - {"SHA256SUMS"}
    assert {"deploy/nginx/imgmig.conf", "deploy/imgmig.env", "zh/安装.md"} <= there
    assert {"deploy/requirements.lock", "sbom.cdx.json", "licences.md", "SECURITY.md"} <= there


def test_every_wheel_but_ours_is_a_locked_one(wheelhouse: Path) -> None:
    locked = {digest for package in read_lock(RUNTIME) for digest in package.sha256}
    others = [
        wheel.name
        for wheel in wheelhouse.glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in locked
    ]
    (ours,) = others
    assert ours.startswith("imaging_migration_portal-")
    assert len(list(wheelhouse.glob("*.whl"))) == len(read_lock(RUNTIME)) + 1


def test_it_installs_without_an_index_and_migrates(wheelhouse: Path, tmp_path: Path) -> None:
    place = tmp_path / "opt"
    run(sys.executable, "-m", "venv", place, cwd=tmp_path)
    install = ("-m", "pip", "install", "--quiet", "--no-index")
    locked = ("--find-links", ".", "--require-hashes", "-r", "deploy/requirements.lock")
    run(place / "bin" / "python", *install, *locked, cwd=wheelhouse)
    (ours,) = wheelhouse.glob("imaging_migration_portal-*.whl")
    run(place / "bin" / "python", *install, "--no-deps", ours, cwd=tmp_path)
    run(place / "bin" / "python", "-m", "pip", "check", cwd=tmp_path)
    imgmig, home = place / "bin" / "imgmig", {"IMGMIG_HOME": str(tmp_path / "home")}
    assert "db" in run(imgmig, "--help", cwd=tmp_path)
    run(imgmig, "db", "upgrade", cwd=tmp_path, **home)
    run(place / "bin" / "python", "-c", "import wsgi; wsgi.app", cwd=tmp_path, **home)
    out = run(imgmig, "demo", "--documents", "24", cwd=tmp_path)
    result = json.loads(out.splitlines()[-1])
    assert (result["documents"], result["synced"]) == (24, result["verified"])
    assert result["synced"] > 0
