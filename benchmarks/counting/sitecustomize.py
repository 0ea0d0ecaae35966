"""Counts the SQL statements of a process into a file, without the product knowing.

Python imports a module of this name by itself when it starts, if its folder is on the path.
Each process has a file of its own that outlives its being killed.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from pathlib import Path

FOLDER = "COUNTED_SQL_FOLDER"
#: Those that speak with the ledger; to the others SQLAlchemy is not even loaded.
_COMMANDS = {"--one", "--clerk", "agent", "web"}


def _count(folder: Path, name: str) -> None:
    from sqlalchemy import event  # noqa: PLC0415 - only where it is needed anyway
    from sqlalchemy.engine import Engine  # noqa: PLC0415

    path = folder / f"{name}-{os.getpid()}"
    path.write_bytes(bytes(16))
    with path.open("r+b") as file:
        counts = mmap.mmap(file.fileno(), 16)
    seen = [0, 0]

    def bump(which: int) -> None:
        seen[which] += 1
        counts[8 * which : 8 * which + 8] = struct.pack("=q", seen[which])

    event.listen(Engine, "before_cursor_execute", lambda *_: bump(0))
    event.listen(Engine, "commit", lambda *_: bump(1))


if os.environ.get(FOLDER) and (_found := _COMMANDS.intersection(sys.orig_argv)):
    _count(Path(os.environ[FOLDER]), _found.pop().strip("-"))
