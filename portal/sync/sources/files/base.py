"""What every place of files offers."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from portal.sync.fetching import Fetcher
from portal.sync.sources.targets import Target


class FilePlace(Protocol):
    """Files by their paths, relative and in the form that :func:`paths.parts_of` accepts.

    Every method may raise :class:`portal.errors.SyncError`.
    """

    def check(self) -> None:
        """See that the place itself is there."""

    def target(self, path: str) -> Target:
        """Where the fetcher gets a file from."""

    def redirect_target(self, target: Target, location: str) -> Target:
        """Where a redirect that ``target`` got leads to."""

    def fetcher(self) -> Fetcher:
        """What fetches the files; nothing is opened before its first use."""

    def close(self) -> None:
        """Let go of connections."""


class FileStore(FilePlace, Protocol):
    """A place whose files can be looked at without fetching them."""

    def look(self, path: str) -> None:
        """See that a file is there.

        :raises SyncError: ``SRC_FILE_MISSING`` when it is not
        """

    def stamp(self, path: str) -> str:
        """What is another one when the file was written again, such as an ETag.

        :raises SyncError: ``SRC_FILE_MISSING`` when it is not there
        """

    def copy(self, path: str, into: BinaryIO) -> None:
        """Write a file's bytes, all of one version of it.

        :raises SyncError: ``SRC_MANIFEST_CHANGED`` when it is written in the meantime
        """
