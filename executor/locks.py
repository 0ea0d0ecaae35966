"""Names that one transaction at a time holds, on every database alike.

A decision that depends on rows which are not there yet (is the job busy? is this log id on its
way?) has no row to lock. So it locks a name. On SQLite a write transaction is alone anyway.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from .ledger import savepoint
from .models import ExecutorLock

_TAKE: Final = (
    update(ExecutorLock)
    .where(ExecutorLock.name == bindparam("wanted"))
    .values(taken_at=bindparam("at"))
)


def take(session: Session, name: str, now: datetime) -> None:
    """Hold the name until the transaction ends; waits for whoever holds it."""
    if _is_taken(session, name, now):
        return
    try:
        with savepoint(session):
            session.add(ExecutorLock(name=name, taken_at=now))
    except IntegrityError:
        _is_taken(session, name, now)  # somebody made it in this moment: now wait for them


def _is_taken(session: Session, name: str, now: datetime) -> bool:
    return bool(session.connection().execute(_TAKE, {"wanted": name, "at": now}).rowcount)


def of_job(job_id: int) -> str:
    """The name that orders the triggers of a job."""
    return f"job:{job_id}"


DELIVERIES = "deliveries"
"""The name that orders the reservations of results."""
