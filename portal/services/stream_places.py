"""How many long streams a host's web processes send at once."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

# Of the sixteen threads of two web processes; pages are served by the others.
PLACES = 4


def take_place(home: Path) -> Callable[[], None] | None:
    """A place for a stream, given back by calling what is returned; None when all are taken.

    The kernel gives back what a process that dies still held.
    """
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(PLACES):
        file = (folder / f"stream-{number}.lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return file.close
    return None
