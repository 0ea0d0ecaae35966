"""An archived file in the hand: a descriptor to read at any place, its size and its digest."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from portal.errors import SyncError
from portal.sync.archive.base import Archive

_log = logging.getLogger(__name__)
_PIECE = 1024 * 1024
#: Bytes of a file of a remote archive that are held in memory while it is looked at.
MOST_IN_MEMORY = 64 << 20


@dataclass(frozen=True)
class HeldFile:
    """A regular file at its beginning; ``sha256`` is that of the bytes which will be read."""

    file: BinaryIO
    size: int
    sha256: str


@contextlib.contextmanager
def hold(archive: Archive, storage_key: str, sha256: str | None) -> Iterator[HeldFile]:
    """Open an archived file, through a copy in memory where the archive is not local.

    One that is too large for that is copied to a nameless file instead.

    :param sha256: what the ledger says, if it is to be compared
    :raises SyncError: ARCHIVE_MISSING; ARCHIVE_DAMAGED if the digest differs; an error of the
        archive if it is away; INTERNAL if its file system fails while it is read
    """
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(archive.open(storage_key))
            if not _is_plain(stream):
                stream = _copied(stream, stack)
            actual = _digest(stream)
            size = os.fstat(stream.fileno()).st_size
        except OSError as error:
            _log.exception("the archive fails while %s is read", storage_key)
            detail = f"archive: {error.strerror or type(error).__name__}"
            raise SyncError("INTERNAL", detail=detail) from error
        if sha256 not in (None, actual):
            raise SyncError("ARCHIVE_DAMAGED")
        yield HeldFile(stream, size, actual)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    file.seek(0)
    return digest.hexdigest()


def _is_plain(stream: BinaryIO) -> bool:
    """Whether the stream's descriptor holds just what the stream reads (a socket's does not)."""
    raw = getattr(stream, "raw", None)
    return isinstance(raw, io.FileIO) and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def _copied(stream: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    copy: BinaryIO = stack.enter_context(os.fdopen(os.memfd_create("held"), "w+b"))
    in_memory = True
    while piece := stream.read(_PIECE):
        if in_memory and copy.tell() + len(piece) > MOST_IN_MEMORY:
            larger: BinaryIO = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            copy.seek(0)
            shutil.copyfileobj(copy, larger)
            copy.close()
            copy, in_memory = larger, False
        copy.write(piece)
    copy.seek(0)
    return copy
