"""What every archive promises, whatever it is kept on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from portal.errors import SyncError


class Stage(Protocol):
    """One document's files on their way in, in a place of their own that no reader sees."""

    @property
    def folder(self) -> str:
        """The document's folder once published."""

    def path(self, name: str) -> Path:
        """Where to write the file ``name`` now."""

    def note(self, name: str, *, size: int, sha256: str) -> None:
        """Keep what the file ``name`` is, as it was received and checked; each file is noted."""

    def refused(self, error: OSError) -> SyncError:
        """The catalogue's word for what the disk refused when a file was written."""

    def close(self) -> None:
        """Throw away what was not published; does nothing after it was."""


class Archive(Protocol):
    """A store of document folders; what the ledger names of it is whole.

    Reading raises an error whose problem is the archive's (``problem.where``) when the store is
    away: nothing is said about the file then.
    """

    @property
    def looks_are_cheap(self) -> bool:
        """Whether it costs next to nothing to ask for a folder."""

    def stage(self, folder: str, *, owner: str) -> Stage:
        """Begin a document; ``owner`` is the worker slot that may later sweep what it left.

        :raises SyncError: an error of the archive
        """

    def publish(self, stages: Sequence[Stage]) -> None:
        """Make the documents durable and visible; when it returns they survive a power cut.

        :raises SyncError: an error of the archive; some of the group may then be published
            already, and the caller removes them by :meth:`remove`. When it is one of
            :data:`portal.sync.archive.outages.OF_ONE`, the caller may ask again for each
            document alone; what was done is not done again
        """

    def remove(self, *folders: str) -> None:
        """Remove folders that the ledger does not name; those that are not there are fine.

        What cannot be removed now stays for a later sweep.
        """

    def present(self, folders: Collection[str]) -> frozenset[str]:
        """Under which of these names anything is published.

        :raises SyncError: when the archive cannot be asked
        """

    def open(self, key: str) -> BinaryIO:
        """Open an archived file for reading.

        :raises SyncError: ARCHIVE_MISSING, or an error of the archive
        """

    def holds(self, key: str) -> bool:
        """Whether anything lies there that :meth:`walk` told of, be it a file one can read or not.

        :raises SyncError: when the archive cannot be asked
        """

    def walk(self) -> Iterator[tuple[str, int]]:
        """Every published file as (key, size in bytes), in no promised order.

        What lies among them and is no file of ours (a pipe, a link, folders without an end) is
        told of by its name. A name that is no UTF-8 comes with ``surrogateescape``.

        What lies in a hidden folder at the top (``.incoming``, ``.kept``) is none.
        """

    def sweep(self, owner: str) -> int:
        """Remove what an earlier life of this worker slot left unpublished; the number removed."""

    def tidy(self, now: datetime) -> int:
        """Remove what is left unpublished and belongs to nobody any more; the number removed."""

    def probe(self, size: int) -> None:
        """Write a file, make it durable and remove it; there must be room for ``size`` bytes.

        :raises SyncError: an error of the archive
        """

    def owners(self) -> list[str]:
        """The worker slots that have, or had, something unpublished on this host."""

    def free_bytes(self) -> int | None:
        """Free space, where that is known."""
