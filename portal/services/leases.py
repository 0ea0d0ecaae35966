"""Leases: how long a worker may hold what it claimed, and whose they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import BatchItem, Clerk, Slice, Worker

LEASE_SECONDS = 30
LEASE = timedelta(seconds=LEASE_SECONDS)
#: When held documents of an organisation are due: not before their hold is lifted.
DEFERRED = datetime(9999, 1, 1, tzinfo=UTC)
# A worker beats every two seconds; one not seen for this long counts as gone.
_ALIVE = timedelta(seconds=10)
_MANY = 500


def free_slot(ledger: Ledger, owner: str, *, now: datetime) -> list[int]:
    """Free what an earlier life of this worker slot held, or what a dead worker did.

    What it held is looked for before the write lock is taken: there is no index of owners, and
    the others must not wait for a look through millions of items.

    :return: the documents it held, whose folders it may have published without recording them
    """
    with ledger.read() as session:
        held = session.execute(
            select(BatchItem.id, BatchItem.document_id).where(BatchItem.lease_owner == owner)
        ).all()
        slices = session.scalars(select(Slice.id).where(Slice.lease_owner == owner)).all()
    if not held and not slices:
        return []

    def free(session: Session) -> None:
        for model, ids in ((BatchItem, [row.id for row in held]), (Slice, slices)):
            for start in range(0, len(ids), _MANY):
                session.execute(
                    update(model)
                    .where(model.id.in_(ids[start : start + _MANY]), model.lease_owner == owner)
                    .values(lease_owner=None, next_try_at=now)
                    .execution_options(synchronize_session=False)
                )

    ledger.transact(free)
    return [row.document_id for row in held]


def bury(session: Session, owner: str) -> None:
    """Forget a worker or a clerk that is known to be dead and whose slot was freed."""
    session.execute(delete(Worker).where(Worker.name == owner))
    session.execute(delete(Clerk).where(Clerk.name == owner))


def beat(session: Session, owner: str, *, pid: int, batch_id: int | None, now: datetime) -> None:
    """Note that the worker is alive and what it works on."""
    worker = session.get(Worker, owner)
    if worker is None or worker.pid != pid:
        session.merge(Worker(name=owner, pid=pid, started_at=now, seen_at=now, batch_id=batch_id))
        return
    worker.seen_at = now
    worker.batch_id = batch_id


def is_alive(now: datetime) -> ColumnElement[bool]:
    """Whether a worker was seen lately, as a condition of a query.

    One seen in the future was seen before the clock was put back: it is alive when it beats again.
    """
    return Worker.seen_at.between(now - _ALIVE, now + _ALIVE)


def alive_workers(session: Session, *, now: datetime) -> list[Worker]:
    """The workers seen lately."""
    return list(session.scalars(select(Worker).where(is_alive(now))))
