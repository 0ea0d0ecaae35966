"""What moves the bytes of files: by HTTP (``download``), or off a folder (``folder_reading``)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from portal.sync.curl_transfer import Download, Downloaded


class HasFileno(Protocol):
    """Anything that epoll can watch."""

    def fileno(self) -> int:
        """The file descriptor, open while it is watched."""


class Fetcher(Protocol):
    """Keeps many files in flight; for one thread, and never called from inside a sink.

    Nothing is opened before the first use, so that one may be built before a fork. A file's bytes
    reach its sink in order and in the thread that waits.
    """

    @property
    def in_flight(self) -> int:
        """Files started and neither handed back by :meth:`wait` nor aborted."""

    def set_bandwidth(self, rate: float | None) -> None:
        """Receive so many bytes a second at most from now on; None is no limit."""

    def start(self, download: Download) -> None:
        """Begin a file; its end, whatever it is, comes out of :meth:`wait`.

        :raises ValueError: if one with this key is under way
        """

    def watching(self, others: Sequence[HasFileno]) -> AbstractContextManager[None]:
        """While the block lasts :meth:`wait` also ends when one of these is readable."""

    def wait(self, timeout: float) -> list[Downloaded]:
        """Move bytes until something ended, another one is readable or the time is over.

        :param timeout: seconds; 0 moves what can be moved at once
        :returns: what ended, in that order; empty when the wait ended for another reason
        """

    def abort(self, key: int) -> None:
        """Drop one file quietly: it will not come out of :meth:`wait`."""

    def close(self) -> None:
        """Drop everything in flight and let go of what is open; may be called twice."""
