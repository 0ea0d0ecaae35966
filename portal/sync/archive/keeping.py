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
from typing import TypedDict

from portal.errors import SyncError
from portal.sync.archive.base import Archive

KEPT = ".kept"
_CHUNK = 1 << 20


def keep(archive: Archive, folder: str, files: Mapping[str, Path], *, owner: str) -> None:
    """Keep copies of files under their names in a folder, durable when this returns.

    The folder appears whole or not at all; one that is there already stays as it is.

    :param owner: who may be found dead with half of it
    :raises SyncError: an error of the archive
    """
    place = place_of(folder)
    if archive.present([place]):
        return
    stage = archive.stage(place, owner=owner)
    try:
        for name, path in files.items():
            try:
                stage.note(name, **_copied(path, stage.path(name)))
            except OSError as error:
                raise stage.refused(error) from error
        archive.publish([stage])
    except SyncError:
        if not archive.present([place]):  # else somebody else has kept it in this moment
            raise
    finally:
        stage.close()


class _What(TypedDict):
    size: int
    sha256: str


def _copied(path: Path, target: Path) -> _What:
    """Copy the file; what it is."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source, target.open("wb") as copy:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += copy.write(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


def place_of(folder: str) -> str:
    """Where it lies in the archive; files in it are opened by this, a slash and their name."""
    return f"{KEPT}/{folder}"


def forget(archive: Archive, folder: str) -> None:
    """Remove a folder; one that is not there is fine."""
    archive.remove(place_of(folder))
