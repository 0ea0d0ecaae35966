"""Whether there is room to go on working for a while."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from portal.errors import SyncError
from portal.services.preflight_host import amount
from portal.services.readiness.checks import Check, failed, fine
from portal.sync.archive.base import Archive

NAMES: Final = ("disk",)
HOME_BYTES: Final = 500_000_000
"""For the ledger's growth, drafts and exports."""
ARCHIVE_BYTES: Final = 1_000_000_000


def room_checks(home: Path, archive: Archive) -> Sequence[Check]:
    """Whether the home's disk and the archive have the least that is needed.

    An archive that does not tell its free space is not asked.
    """
    free_home = shutil.disk_usage(_existing(home)).free
    try:
        free_archive = archive.free_bytes()
    except (OSError, SyncError):
        free_archive = None  # why it cannot be asked, the check of the archive says
    said_zh, said_en = f"IMGMIG_HOME 剩余 {amount(free_home)}", f"{amount(free_home)} free at home"
    if free_archive is not None:
        said_zh += f"，归档剩余 {amount(free_archive)}"
        said_en += f", {amount(free_archive)} free in the archive"
    short = free_home < HOME_BYTES or (free_archive is not None and free_archive < ARCHIVE_BYTES)
    if short:
        return [failed("disk", SyncError("DISK_SHORT"), said_zh, said_en)]
    return [fine("disk", said_zh, said_en)]


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
