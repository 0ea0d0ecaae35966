"""What every archive promises, whatever it is kept on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol


class Stage(Protocol):
    """One document's files on their way in, in a place of their own that no reader sees."""

    @property
    def folder(self) -> str:
        """The document's folder once published."""

    def path(self, name: str) -> Path:
        """Where to write the file ``name`` now."""

    def close(self) -> None:
        """Throw away what was not published; does nothing after it was."""


class Archive(Protocol):
    """A store of document folders; a folder is there whole or not at all."""

    def stage(self, folder: str, *, owner: str) -> Stage:
        """Begin a document; ``owner`` is the worker slot that may later sweep what it left.

        :raises SyncError: ARCHIVE_FULL or ARCHIVE_UNWRITABLE
        """

    def publish(self, stages: Sequence[Stage]) -> None:
        """Make the documents durable and visible; when it returns they survive a power cut.

        :raises SyncError: ARCHIVE_FULL or ARCHIVE_UNWRITABLE; some of the group may then be
            published already, and the caller removes them by :meth:`remove`
        """

    def remove(self, folder: str) -> None:
        """Remove a folder that the ledger does not name; one that is not there is fine."""

    def has(self, folder: str) -> bool:
        """Whether anything is published under the folder's name."""

    def open(self, key: str) -> BinaryIO:
        """Open an archived file for reading.

        :raises SyncError: ARCHIVE_MISSING
        """

    def walk(self) -> Iterator[tuple[str, int]]:
        """Every published file as (key, size in bytes), in no promised order.

        What lies in a hidden folder at the top (``.incoming``, ``.kept``) is none.
        """

    def sweep(self, owner: str) -> int:
        """Remove what an earlier life of this worker slot left unpublished; the number removed."""

    def probe(self, size: int) -> None:
        """Write a file, flush it and remove it again; there must be room for ``size`` bytes.

        :raises SyncError: ARCHIVE_FULL or ARCHIVE_UNWRITABLE
        """

    def owners(self) -> list[str]:
        """The worker slots that have, or had, something unpublished."""

    def free_bytes(self) -> int | None:
        """Free space, where that is known."""
