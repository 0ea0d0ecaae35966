"""Results on their way: reserved by one process, and given back delivered or put off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, Update, case, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from . import locks
from .changes import rows_changed
from .models import ExecutorRun
from .protocol.dialects import SHAPES, Dialect, Shape
from .protocol.outbound import Result

BATCH: Final = 50
"""Results in one callback; Java's own bound."""
RESERVED: Final = timedelta(seconds=45)
"""For so long the results are one process's; if it died, another sends them afterwards."""

# Made once: that costs more than to ask with it.
_SIBLING = aliased(ExecutorRun)


@dataclass(frozen=True)
class Parcel:
    """A result this process is sending."""

    run_id: int
    attempts: int
    due_at: datetime | None
    shape: Shape
    result: Result


@dataclass
class Reservation:
    """The results that this process may send, and until when."""

    parcels: list[Parcel]
    until: datetime


def has_due(session: Session, now: datetime) -> bool:
    """Whether :func:`reserve` would find anything."""
    return session.scalars(_due(now).limit(1)).first() is not None


def reserve(session: Session, now: datetime) -> Reservation:
    """Take up to :data:`BATCH` results of one shape that are due, none on its way already."""
    locks.take(session, locks.DELIVERIES, now)
    until = now + RESERVED
    batch: dict[int, Parcel] = {}
    for run in session.scalars(_due(now).limit(BATCH)):
        shape = SHAPES[Dialect(run.dialect)]
        # Of two runs that share a log id one waits: the admin does not lock between them.
        if run.log_id in batch or any(parcel.shape is not shape for parcel in batch.values()):
            continue
        run.delivering_until = until
        batch[run.log_id] = _parcel(run, shape)
    return Reservation(list(batch.values()), until)


def prolong(session: Session, reservation: Reservation, until: datetime) -> bool:
    """Reserve the same results anew; False when they are no longer all this process's.

    Whoever calls it changes the reservation itself, once it is committed.
    """
    statement = _reserved(reservation, *reservation.parcels).values(delivering_until=until)
    return rows_changed(session, statement) == len(reservation.parcels)


def mark_delivered(
    session: Session, reservation: Reservation, parcel: Parcel, now: datetime
) -> None:
    """An admin has said 200; a result that was asked for again meanwhile is still due."""
    asked_again = ExecutorRun.next_delivery_at != parcel.due_at
    values = {
        "delivered_at": now,
        "next_delivery_at": case((asked_again, ExecutorRun.next_delivery_at)),
        "delivering_until": None,
    }
    rows_changed(session, _reserved(reservation, parcel).values(**values))


def put_off(session: Session, reservation: Reservation, parcel: Parcel, until: datetime) -> None:
    """No admin took it; try again then."""
    values = {
        "next_delivery_at": until,
        "delivering_until": None,
        "delivery_attempts": parcel.attempts + 1,
    }
    rows_changed(session, _reserved(reservation, parcel).values(**values))


def _due(now: datetime) -> Select[ExecutorRun]:
    on_its_way = exists().where(
        _SIBLING.log_id == ExecutorRun.log_id, _SIBLING.delivering_until > now
    )
    return (
        select(ExecutorRun)
        .where(
            ExecutorRun.next_delivery_at <= now,
            or_(ExecutorRun.delivering_until.is_(None), ExecutorRun.delivering_until <= now),
            ~on_its_way,
        )
        .order_by(ExecutorRun.next_delivery_at, ExecutorRun.id)
    )


def _reserved(reservation: Reservation, *parcels: Parcel) -> Update:
    # A reservation that ran out may be somebody else's by now; then this changes nothing.
    return update(ExecutorRun).where(
        ExecutorRun.id.in_([parcel.run_id for parcel in parcels]),
        ExecutorRun.delivering_until == reservation.until,
    )


def _parcel(run: ExecutorRun, shape: Shape) -> Parcel:
    return Parcel(run.id, run.delivery_attempts, run.next_delivery_at, shape, _result(run))


def _result(run: ExecutorRun) -> Result:
    return Result(run.log_id, run.log_date_time, run.handle_code or 0, run.handle_message or "")
