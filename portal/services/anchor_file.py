"""``audit-anchors.log`` in the home: the seals' anchors beside the ledger, not in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from portal.services.seal_form import Anchor, anchors_in

NAME = "audit-anchors.log"


def append_anchor(home: Path, anchor: Anchor, *, now: datetime) -> None:
    """Add a line; on disk when this returns."""
    line = f"{now.isoformat(timespec='seconds')} {anchor}\n".encode("ascii")
    file = os.open(home / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)


def kept_anchors(path: Path) -> Iterator[Anchor]:
    """The anchors in a file, whatever else stands there; none when there is no file.

    One at a time: the file grows for years.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            yield from anchors_in(line)
