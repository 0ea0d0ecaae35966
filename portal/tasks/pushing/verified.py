"""Files read back from the archive and compared with the ledger, before any of them is sent.

What was compared is kept in one nameless file and sent from there: nothing else can be sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from portal.errors import SyncError
from portal.services.push_claims import ArchivedFile
from portal.sync.archive.base import Archive
from portal.sync.one_file import nameless_file

_PIECE = 1 << 20


class VerifiedFiles:
    """The files of one document that are still to be sent, all of them compared."""

    def __init__(self, content: BinaryIO, starts: dict[str, int]) -> None:
        self._content = content
        self._starts = starts

    def at(self, file: ArchivedFile) -> BinaryIO:
        """The content, standing where this file begins; good until the next is asked for."""
        self._content.seek(self._starts[file.file_id])
        return self._content


@contextmanager
def verified(
    archive: Archive,
    files: Sequence[ArchivedFile],
    folder: Path,
    *,
    check: Callable[[], None] = lambda: None,
) -> Iterator[VerifiedFiles]:
    """Read the files back; they are gone at the end.

    :param folder: where the nameless file is
    :param check: called at every piece; what it raises ends the reading
    :raises SyncError: ARCHIVE_MISSING or ARCHIVE_DAMAGED, or an error of the archive
    """
    with nameless_file(folder) as content:
        starts: dict[str, int] = {}
        for file in files:
            starts[file.file_id] = content.tell()
            _copy(archive, file, content, check)
        yield VerifiedFiles(content, starts)


def _copy(archive: Archive, file: ArchivedFile, into: BinaryIO, check: Callable[[], None]) -> None:
    if not file.storage_key:
        raise SyncError("ARCHIVE_MISSING")
    digest, size = hashlib.sha256(), 0
    try:
        with archive.open(file.storage_key) as stream:
            while piece := stream.read(_PIECE):
                check()
                digest.update(piece)
                size += len(piece)
                into.write(piece)
    except OSError as error:
        raise SyncError("ARCHIVE_DAMAGED") from error
    if (size, digest.hexdigest()) != (file.facts.size, file.sha256):
        raise SyncError("ARCHIVE_DAMAGED")
