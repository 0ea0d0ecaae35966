"""How our processes hang together: a child dies with its parent, a slot has one owner."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import signal
import socket
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        sys.exit(1)


class WorkerSlot:
    """A numbered place for one worker process in a home, held for the life of the process.

    Whoever holds the slot knows that every lease in the slot's name is from an earlier life.
    """

    def __init__(self, home: Path) -> None:
        folder = home / "run"
        folder.mkdir(parents=True, exist_ok=True)
        place = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:6]
        number = 0
        while True:
            file = (folder / f"worker-{number}.lock").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                number += 1
                continue
            break
        self._file = file
        self.name = f"{socket.gethostname()[:60]}.{place}.{number}"
