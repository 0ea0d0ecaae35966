"""Files that are no documents but that every host must be able to read: they lie beside them.

What a clerk makes on one host (an export, a sealed manifest, the source's copy of a file) somebody
opens through another. The archive is the one place that all hosts share, a folder or a bucket
alike; below :data:`KEPT` it holds what is not archived. Documents never get there, and nothing
there is taken for one.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from portal.errors import SyncError
from portal.sync.archive.base import Archive
from portal.sync.archive.local import archive_error

KEPT = ".kept"


def keep(archive: Archive, folder: str, files: Mapping[str, Path], *, owner: str) -> None:
    """Keep copies of files under their names in a folder, durable when this returns.

    The folder appears whole or not at all; one that is there already stays as it is.

    :param owner: who may be found dead with half of it
    :raises SyncError: ARCHIVE_FULL or ARCHIVE_UNWRITABLE
    """
    place = place_of(folder)
    if archive.present([place]):
        return
    stage = archive.stage(place, owner=owner)
    try:
        for name, path in files.items():
            try:
                shutil.copyfile(path, stage.path(name))
            except OSError as error:
                raise archive_error(error) from error
        archive.publish([stage])
    except SyncError:
        if not archive.present([place]):  # else somebody else has kept it in this moment
            raise
    finally:
        stage.close()


def place_of(folder: str) -> str:
    """Where it lies in the archive; files in it are opened by this, a slash and their name."""
    return f"{KEPT}/{folder}"


def forget(archive: Archive, folder: str) -> None:
    """Remove a folder; one that is not there is fine."""
    archive.remove(place_of(folder))
