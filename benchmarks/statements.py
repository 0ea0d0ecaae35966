"""How many SQL statements the processes of an installation have sent, and how often committed."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

_COUNTING = Path(__file__).parent / "counting"
# As `counting/sitecustomize.py` has it, which is not to be imported here.
_FOLDER = "COUNTED_SQL_FOLDER"


@dataclass(frozen=True)
class Counted:
    """So many statements and commits."""

    statements: int
    commits: int

    def __sub__(self, other: Counted) -> Counted:
        return Counted(self.statements - other.statements, self.commits - other.commits)


def settings(folder: Path) -> dict[str, str]:
    """The environment in which processes are counted, into files in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    places = [str(_COUNTING), os.environ.get("PYTHONPATH", "")]
    return {_FOLDER: str(folder), "PYTHONPATH": os.pathsep.join(filter(None, places))}


def counted(folder: Path, kind: str = "*") -> Counted:
    """What was counted so far; ``kind``: of ``one`` (workers), ``clerk``, ``agent`` or ``web``."""
    found = [struct.unpack("=qq", path.read_bytes()) for path in folder.glob(f"{kind}-*")]
    return Counted(sum(one[0] for one in found), sum(one[1] for one in found))
