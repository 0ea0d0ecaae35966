"""From an archived file without a picture to what can be told of it."""

from __future__ import annotations

from portal.sync.archive.base import Archive
from portal.sync.viewing.facts import TOLD_KINDS, Facts
from portal.sync.viewing.held_file import hold
from portal.sync.viewing.painter_child import PaintOrder, tell
from portal.sync.viewing.refusals import Busy, NoPicture
from portal.sync.viewing.renditions import painters


def facts_of(
    archive: Archive,
    storage_key: str,
    kind: str,
    *,
    sha256: str | None = None,
    patience: float = 5.0,
    seconds: float = 4.5,
) -> Facts:
    """Have a limited child read the file, as for a picture; safe to call from many threads.

    :param kind: what the file is (``File.kind``)
    :param sha256: the digest the ledger holds; if given, other bytes are not read
    :param patience: seconds to wait for a child's turn
    :param seconds: time limit of the child
    :raises SyncError: ARCHIVE_MISSING, ARCHIVE_DAMAGED, FILE_CORRUPT, FILE_HOSTILE or INTERNAL
    :raises NoPicture: if nothing can be told of this kind
    :raises Busy: if it was not this file's turn in time
    """
    if kind not in TOLD_KINDS:
        raise NoPicture(kind=kind)
    with hold(archive, storage_key, sha256) as held:
        if not painters.acquire(timeout=patience):
            raise Busy(seconds=patience)
        try:
            return tell(held.file, PaintOrder(kind, 1, 1), seconds)
        finally:
            painters.release()
