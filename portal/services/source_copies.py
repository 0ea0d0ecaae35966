"""Copies of the source's files for 抽查: below the home for a day, and never in the archive."""

from __future__ import annotations

import contextlib
import shutil
from datetime import datetime, timedelta
from pathlib import Path

#: How long a copy is kept to be looked at.
KEPT = timedelta(hours=24)
_FOLDER = Path("cache") / "source-copies"


def root(home: Path) -> Path:
    """The folder that holds nothing else."""
    return home / _FOLDER


def new_folder(home: Path, name: str) -> Path:
    """An empty folder for the copies of one document."""
    folder = root(home) / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def sweep(home: Path, *, now: datetime) -> int:
    """Remove what is older than a day; how many folders and files that were."""
    removed = 0
    oldest = (now - KEPT).timestamp()
    with contextlib.suppress(FileNotFoundError):
        for entry in list(root(home).iterdir()):
            with contextlib.suppress(FileNotFoundError):  # swept by another process
                if entry.stat().st_mtime >= oldest:
                    continue
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink()
                removed += 1
    return removed
