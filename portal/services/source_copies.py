"""Copies of the source's files for 抽查: kept for a day, and never among the archived documents.

Every host can show them; a host's own folder holds them while they are fetched, and what it drew
of them afterwards.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import SampleDocument
from portal.sync.archive.base import Archive
from portal.sync.archive.keeping import forget, keep, place_of

#: How long a copy is kept to be looked at.
KEPT = timedelta(hours=24)
_NAME = "source-copies"
_FOLDER = Path("cache") / _NAME


def keep_fetched(archive: Archive, folder: Path, *, owner: str) -> None:
    """Keep what was fetched into a folder, under its name, and here no longer.

    :raises SyncError: an error of the archive
    """
    files = {path.name: path for path in folder.iterdir()}
    if files:
        keep(archive, f"{_NAME}/{folder.name}", files, owner=owner)
    shutil.rmtree(folder, ignore_errors=True)


def key_of(name: str, number: int) -> str:
    """Where in the archive the copy of a file lies, as long as it is kept."""
    return f"{place_of(f'{_NAME}/{name}')}/{number}"


def remove(archive: Archive, name: str) -> None:
    """Remove the copies of a document."""
    forget(archive, f"{_NAME}/{name}")


def remove_old(ledger: Ledger, archive: Archive, *, now: datetime) -> int:
    """Remove the copies that were kept for a day; of how many documents that was."""
    with ledger.read() as session:
        old = _old(session, now)
    for name in old:
        remove(archive, name)
    if old:
        with ledger.write() as session:
            mine = SampleDocument.copies.in_(old)
            session.execute(update(SampleDocument).where(mine).values(copies=None))
    return len(old)


def _old(session: Session, now: datetime) -> Sequence[str]:
    query = select(SampleDocument.copies).where(
        SampleDocument.copies.is_not(None), SampleDocument.compared_at < now - KEPT
    )
    return [str(name) for name in session.scalars(query)]


def root(home: Path) -> Path:
    """The folder of this host that holds nothing else."""
    return home / _FOLDER


def new_folder(home: Path, name: str) -> Path:
    """An empty folder for the copies of one document."""
    folder = root(home) / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def sweep(home: Path, *, now: datetime) -> int:
    """Remove what this host has had for a day; how many folders and files that were."""
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
