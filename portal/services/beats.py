"""Heartbeats: every process that works says every few seconds that it lives, and what it uses.

One that is stuck or cannot reach the ledger does not: whoever looks at the rows sees both.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.ledger import this_host
from portal.models import ProcessBeat

Kind = Literal["web", "worker", "clerk", "agent", "pusher"]
KINDS: Final[tuple[Kind, ...]] = ("web", "worker", "clerk", "agent", "pusher")
BEAT_SECONDS: Final = 5.0
"""Between two beats of a process that has nothing else to say so often."""
# Three beats may be missed by a host that is busy; workers and agents beat more often.
_ALIVE = timedelta(seconds=20)
_FORGOTTEN = timedelta(hours=1)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SELF = Path("/proc/self")


def beat(session: Session, kind: Kind, *, now: datetime) -> None:
    """Note that this process is alive, and what it uses of its host."""
    name = _name(kind)
    row = session.get(ProcessBeat, name)
    if row is None or row.pid != os.getpid():
        row = session.merge(ProcessBeat(name=name, kind=kind, host=this_host(), started_at=now))
        row.pid = os.getpid()
    row.seen_at = now
    row.memory_bytes = int((_SELF / "statm").read_text().split()[1]) * _PAGE_BYTES
    row.threads = len(list((_SELF / "task").iterdir()))
    row.open_files = len(list((_SELF / "fd").iterdir()))


def leave(session: Session, kind: Kind) -> None:
    """This process ends in order."""
    session.execute(delete(ProcessBeat).where(ProcessBeat.name == _name(kind)))


def alive(session: Session, *, now: datetime) -> Sequence[ProcessBeat]:
    """Every process that was seen lately, by kind and name.

    One seen in the future was seen before the clock was put back: it is alive when it beats again.
    """
    seen = ProcessBeat.seen_at.between(now - _ALIVE, now + _ALIVE)
    query = select(ProcessBeat).where(seen).order_by(ProcessBeat.kind, ProcessBeat.name)
    return session.scalars(query).all()


def forget_gone(session: Session, *, now: datetime) -> None:
    """Forget the killed."""
    session.execute(delete(ProcessBeat).where(ProcessBeat.seen_at < now - _FORGOTTEN))


def _name(kind: Kind) -> str:
    return f"{this_host()}.{kind}-{os.getpid()}"
