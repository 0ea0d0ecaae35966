"""One file of a folder being read: the steps a thread takes, and what its end means."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from portal.errors import SyncError
from portal.sync.curl_transfer import Download, Downloaded

logger = logging.getLogger(__name__)

PIECE = 256 * 1024


class Reading:
    """A file under way; touched by one thread at a time, the reading one or the waiting one.

    :ivar since: when the step under way began, in monotonic seconds; none between steps
    :ivar piece: what the last step has read
    """

    def __init__(self, download: Download, opened: Callable[[str], int]) -> None:
        self.key = download.key
        self.since: float | None = None
        self.piece = b""
        self.error: SyncError | None = None
        self.is_over = False
        self._download = download
        self._open = opened
        self._descriptor = -1
        self._before: os.stat_result | None = None
        self._after: os.stat_result | None = None
        self._is_read = False
        self._received = 0
        self._started = time.monotonic()
        self._first_byte: float | None = None

    def step(self) -> None:
        """Open the file if it is not open, and read the next piece; errors are kept."""
        try:
            if self._descriptor < 0:
                self._descriptor = self._open(self._download.url)
                self._before = os.fstat(self._descriptor)
            self.piece = os.read(self._descriptor, PIECE)
            if len(self.piece) < PIECE:
                rest = os.read(self._descriptor, PIECE)  # a short read need not be the end
                self.piece += rest
                self._is_read = not rest
                self._after = os.fstat(self._descriptor)
        except SyncError as error:
            self.error = error
        except OSError as error:
            path = self._download.url.partition(":")[2]
            self.error = SyncError("SRC_FILE_UNREADABLE", path=path, detail=error.strerror or "")
        except Exception as error:
            logger.exception("reading a file ended by a programming error")
            self.error = SyncError("INTERNAL", detail=type(error).__name__)

    def hand_on(self) -> None:
        """Give the piece to the sink, in the thread that waits."""
        piece, self.piece = self.piece, b""
        if self._first_byte is None:
            self._first_byte = time.monotonic() - self._started
        if self.error is None:
            self._received += len(piece)
            try:
                if piece:
                    self._download.sink.write(piece)
                if self._is_read:
                    self._judge_end()
            except SyncError as error:
                self.error = error
        self.is_over = self._is_read or self.error is not None

    def close(self) -> None:
        """Close the file; more than once is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def outcome(self) -> Downloaded:
        """How it ended."""
        return Downloaded(
            key=self.key,
            error=self.error,
            redirect=None,
            status=0 if self.error is not None else 200,
            received=self._received,
            seconds=time.monotonic() - self._started,
            first_byte=self._first_byte,
        )

    def _judge_end(self) -> None:
        """A file that was written meanwhile is not whole, whatever was read of it."""
        before, after = self._before, self._after
        if self._received == 0:
            raise SyncError("SRC_EMPTY")
        if before is None or after is None or _version(before) != _version(after):
            expected = after.st_size if after is not None else 0
            raise SyncError("SRC_SHORT_BODY", expected=expected, received=self._received)


def _version(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns
