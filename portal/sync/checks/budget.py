"""How much time the optional part of a check may take, so that a large sound file passes."""

from __future__ import annotations

import time

from portal.errors import SyncError

#: Seconds of computing, and of the clock on a machine that is busy otherwise; the pool's deadline
#: lies far enough behind for the step that is under way.
_COMPUTING, _CLOCK = 2.5, 3.0
#: What a sound file unpacks to, at most, as a multiple of its own size.
RATIO_AT_MOST = 200


class Budget:
    """The time one file has from now on: what must be looked at is, the rest as far as it goes."""

    def __init__(self) -> None:
        self._computed = time.process_time()
        self._began = time.monotonic()

    @property
    def spent(self) -> bool:
        """Whether it is time to come to an end."""
        computed = time.process_time() - self._computed
        return computed > _COMPUTING or time.monotonic() - self._began > _CLOCK

    def leave(self, unpacked: int, packed: int) -> None:
        """Leave the rest of a file unread, for want of time.

        :param unpacked: bytes all of the file would unpack to
        :param packed: bytes of the file
        :raises SyncError: FILE_HOSTILE if it is out of proportion
        """
        if unpacked > packed * RATIO_AT_MOST:
            raise SyncError("FILE_HOSTILE", detail="decompression bomb")
