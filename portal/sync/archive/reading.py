"""Reading an archived file again, a piece at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from portal.errors import SyncError
from portal.sync.archive.base import Archive

_CHUNK = 1 << 20


class Stopped(Exception):
    """Reading was given up because it was asked to stop."""


def damage_of(
    archive: Archive,
    key: str | None,
    size: int | None,
    sha256: str | None,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> str | None:
    """Read a file to its end and compare it: ARCHIVE_MISSING, ARCHIVE_DAMAGED, or None.

    :param key: None for a file that the ledger does not say the place of
    :param stopping: asked at every piece
    :raises Stopped: when it said so
    :raises SyncError: when the archive is away, and nothing can be said about the file
    """
    if key is None:
        return "ARCHIVE_MISSING"
    digest = hashlib.sha256()
    read = 0
    try:
        with archive.open(key) as stream:
            while chunk := stream.read(_CHUNK):
                if stopping():
                    raise Stopped
                digest.update(chunk)
                read += len(chunk)
    except SyncError as error:
        if error.problem.where == "archive":
            raise
        return error.code
    except OSError:
        return "ARCHIVE_DAMAGED"
    return None if (read, digest.hexdigest()) == (size, sha256) else "ARCHIVE_DAMAGED"
