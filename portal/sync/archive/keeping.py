"""Files that are no documents but that every host must be able to read: they lie beside them.

What a clerk makes on one host (an export, a sealed manifest, the source's copy of a file) somebody
opens through another. The archive is the one place that all hosts share, a folder or a bucket
alike; below :data:`KEPT` it holds what is not archived. Documents never get there, and nothing
there is taken for one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from portal.errors import SyncError
from portal.sync.archive.base import Archive, Stage

KEPT = ".kept"
_CHUNK = 1 << 20


def keep(archive: Archive, folder: str, files: Mapping[str, Path], *, owner: str) -> None:
    """Keep copies of files under their names in a folder, durable when this returns.

    Files that are there already stay as they are; what an earlier try left undone is done.

    :param owner: who may be found dead with half of it
    :raises SyncError: an error of the archive
    """
    place = place_of(folder)
    if _has_all(archive, place, files):
        return
    stage = archive.stage(place, owner=owner)
    try:
        for name, path in files.items():
            _copy(path, stage, name)
        archive.publish([stage])
    except SyncError:
        if not _has_all(archive, place, files):  # else somebody else has kept it in this moment
            raise
    finally:
        stage.close()


def place_of(folder: str) -> str:
    """Where it lies in the archive; files in it are opened by this, a slash and their name."""
    return f"{KEPT}/{folder}"


def forget(archive: Archive, folder: str) -> None:
    """Remove a folder; one that is not there is fine."""
    archive.remove(place_of(folder))


def _has_all(archive: Archive, place: str, files: Mapping[str, Path]) -> bool:
    """Whether every file is there: in a bucket they appear one by one."""
    if not archive.present([place]):
        return False
    for name in files:
        try:
            archive.open(f"{place}/{name}").close()
        except SyncError as error:
            if error.code != "ARCHIVE_MISSING":
                raise
            return False
    return True


def _copy(path: Path, stage: Stage, name: str) -> None:
    """Copy a file onto the stage, which is told what came."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as made, stage.path(name).open("wb") as copy:
            while chunk := made.read(_CHUNK):
                copy.write(chunk)
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise stage.refused(error) from error
    stage.note(name, size=size, sha256=digest.hexdigest())
