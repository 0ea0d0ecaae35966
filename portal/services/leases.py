"""Leases: how long a worker may hold what it claimed, and whose they are."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from portal.models import BatchItem, Slice, Worker

LEASE_SECONDS = 30
LEASE = timedelta(seconds=LEASE_SECONDS)
# A worker beats every two seconds; one not seen for this long counts as gone.
_ALIVE = timedelta(seconds=10)


def free_slot(session: Session, owner: str, *, now: datetime) -> None:
    """Free what an earlier life of this worker slot held; only the slot's one owner may ask."""
    for model in (BatchItem, Slice):
        session.execute(
            update(model)
            .where(model.lease_owner == owner)
            .values(lease_owner=None, next_try_at=now)
            .execution_options(synchronize_session=False)
        )


def beat(session: Session, owner: str, *, pid: int, batch_id: int | None, now: datetime) -> None:
    """Note that the worker is alive and what it works on."""
    worker = session.get(Worker, owner)
    if worker is None or worker.pid != pid:
        session.merge(Worker(name=owner, pid=pid, started_at=now, seen_at=now, batch_id=batch_id))
        return
    worker.seen_at = now
    worker.batch_id = batch_id


def is_alive(now: datetime) -> ColumnElement[bool]:
    """Whether a worker was seen lately, as a condition of a query."""
    return Worker.seen_at > now - _ALIVE


def alive_workers(session: Session, *, now: datetime) -> list[Worker]:
    """The workers seen lately."""
    return list(session.scalars(select(Worker).where(is_alive(now))))
