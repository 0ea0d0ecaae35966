"""This host: Python, SQLite, libraries, fonts, limits, and what the disks are."""

from __future__ import annotations

import importlib
import os
import platform
import re
import resource
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from portal.errors import SyncError
from portal.services.preflight_items import failed
from portal.services.source_check import Finding
from portal.sync.archive.local import INCOMING

LEAST_FILES = 4096
_LEAST_SQLITE = (3, 35, 0)
_LIBRARIES = ("PIL.Image", "pypdfium2", "pycurl", "cryptography.fernet")
_FONTS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
_CHINESE = re.compile(r"cjk|wqy|uming|ukai|sim(sun|hei)|han(sans|serif)|fandol|fallback", re.I)
# Kinds on which SQLite's locks or a flush cannot be trusted, or which forget everything.
_ON_A_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "glusterfs"})
_FORGETFUL = frozenset({"tmpfs", "ramfs", "overlay"})
_UNFLUSHED = frozenset({"nobarrier", "barrier=0"})


def host_findings(home: Path, archive: Path | None) -> Iterator[Finding]:
    """What this host is like; ``archive`` is None when it lies elsewhere."""
    version = platform.python_version()
    yield Finding("python", "ok", f"Python {version}", f"Python {version}")
    yield _sqlite()
    for name in _LIBRARIES:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            lines = str(error).splitlines() or [type(error).__name__]
            yield failed("libraries", SyncError("HOST_LIBRARY", name=name, detail=lines[0][:160]))
            break
    else:
        shown = ", ".join(_LIBRARIES)
        yield Finding("libraries", "ok", f"可用：{shown}", f"there: {shown}")
    yield _fonts()
    yield _open_files()
    for name, folder in (("home_disk", home), ("archive_disk", archive)):
        if folder is not None:
            yield _file_system(name, folder)
    if archive is not None:
        yield _case(archive)


def _sqlite() -> Finding:
    found = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < _LEAST_SQLITE:
        least = ".".join(map(str, _LEAST_SQLITE))
        return failed("sqlite", SyncError("HOST_SQLITE", version=found, least=least))
    return Finding("sqlite", "ok", f"SQLite {found}", f"SQLite {found}")


def _fonts() -> Finding:
    for place in _FONTS:
        for path in Path(place).expanduser().rglob("*"):
            if _CHINESE.search(path.name) and path.suffix.lower() in (".ttf", ".ttc", ".otf"):
                return Finding("fonts", "ok", f"中文字体 {path.name}", f"Chinese font {path.name}")
    return failed("fonts", SyncError("HOST_FONTS"), state="warning")


def _open_files() -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < LEAST_FILES:
        error = SyncError("HOST_FILES", limit=soft, least=LEAST_FILES)
        return failed("open_files", error, state="warning")
    return Finding("open_files", "ok", f"上限 {soft}", f"limit {soft}")


def _file_system(name: str, folder: Path) -> Finding:
    kind, options = mounted(folder, Path("/proc/self/mounts").read_text())
    if kind in _ON_A_NETWORK and name == "home_disk":
        error = SyncError("DISK_NETWORK", path=str(folder), kind=kind)
        return failed(name, error, state="warning")
    if kind in _FORGETFUL:
        error = SyncError("DISK_FORGETS", path=str(folder), kind=kind)
        return failed(name, error, state="warning")
    if _UNFLUSHED & set(options):
        return failed(name, SyncError("DISK_UNFLUSHED", path=str(folder), kind=kind))
    return Finding(name, "ok", f"{folder}（{kind}）", f"{folder} ({kind})")


def mounted(folder: Path, mounts: str) -> tuple[str, list[str]]:
    """The kind of file system a folder lies on, and its mount options.

    :param mounts: as ``/proc/mounts`` lists them, later ones above earlier ones
    """
    place = _existing(folder).resolve()
    best: tuple[int, str, list[str]] = (-1, "unknown", [])
    for line in mounts.splitlines():
        _device, raw, kind, options, *_ = line.split(" ")
        point = Path(raw.replace("\\040", " "))
        depth = len(point.parts)
        if place.is_relative_to(point) and depth >= best[0]:
            best = (depth, kind, options.split(","))
    return best[1], best[2]


def _case(archive: Path) -> Finding:
    """Two 影像编号 may differ in case only."""
    place = _existing(archive / INCOMING)
    try:
        with tempfile.NamedTemporaryFile(prefix="Case-", dir=place) as probe:
            folds = os.path.exists(place / Path(probe.name).name.swapcase())
    except OSError:
        zh, en = "不能写入，无法判断", "not writable, so it is not known"
        return Finding("archive_case", "skipped", zh, en)
    if folds:
        return failed("archive_case", SyncError("ARCHIVE_CASE", path=str(archive)))
    return Finding("archive_case", "ok", "区分大小写", "case-sensitive")


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
