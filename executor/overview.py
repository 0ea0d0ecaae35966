"""How the executor is doing, for a page and for a monitor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, true, update
from sqlalchemy.orm import Session

from .changes import UNFINISHED_VALUES, rows_changed
from .models import ExecutorAgent, ExecutorRegistration, ExecutorRun
from .registration import FORGOTTEN
from .statuses import RunStatus


@dataclass(frozen=True)
class RegistrationInfo:
    """What one admin last said to the registration of one of our addresses."""

    admin_address: str
    executor_address: str
    attempted_at: datetime
    succeeded_at: datetime | None
    problem: str | None
    """Why the last attempt failed; None when the admin said 200."""

    def is_alive(self, now: datetime) -> bool:
        """Whether the admin still counts on this executor."""
        succeeded_at = self.succeeded_at
        return self.problem is None and succeeded_at is not None and now - succeeded_at < FORGOTTEN


@dataclass(frozen=True)
class Backlog:
    """Results that no admin has taken yet."""

    count: int
    oldest_at: datetime | None
    attempts: int
    """Failed deliveries of the one that was tried most often."""


def reporting(session: Session) -> tuple[list[RegistrationInfo], Backlog]:
    """What each admin that was ever asked last said, and the results on their way; one query."""
    waiting = (
        select(
            func.count().label("count"),
            func.min(ExecutorRun.ended_at).label("oldest_at"),
            func.coalesce(func.max(ExecutorRun.delivery_attempts), 0).label("attempts"),
        )
        .where(ExecutorRun.next_delivery_at.is_not(None))
        .subquery()
    )
    rows = session.execute(
        select(waiting, ExecutorRegistration)
        .select_from(waiting)
        .outerjoin(ExecutorRegistration, true())
        .order_by(ExecutorRegistration.admin_address, ExecutorRegistration.executor_address)
    ).all()
    found = [_registration(row[3]) for row in rows if row[3] is not None]
    return found, Backlog(*rows[0][:3])


def _registration(row: ExecutorRegistration) -> RegistrationInfo:
    return RegistrationInfo(
        row.admin_address,
        row.executor_address,
        row.attempted_at,
        row.succeeded_at,
        row.problem,
    )


def counts(session: Session) -> Sequence[tuple[str, str | None, int]]:
    """Runs in the ledger by status and cause."""
    statement = select(ExecutorRun.status, ExecutorRun.cause, func.count())
    grouped = statement.group_by(ExecutorRun.status, ExecutorRun.cause)
    rows = session.execute(grouped.order_by(ExecutorRun.status, ExecutorRun.cause))
    return [(status, cause, count) for status, cause, count in rows]


def oldest_queued_at(session: Session) -> datetime | None:
    """Since when the run waits that waits longest for its start."""
    statement = select(func.min(ExecutorRun.queued_at))
    return session.scalar(statement.where(ExecutorRun.status == RunStatus.QUEUED.value))


def agents(session: Session, now: datetime) -> int:
    """How many processes register and deliver."""
    statement = select(func.count()).where(ExecutorAgent.seen_at > now - FORGOTTEN)
    return session.scalar(statement) or 0


def send_again(session: Session, run_id: int | None, now: datetime) -> int:
    """Make results due now: one, delivered or not, or all that wait; returns how many.

    One that is on its way in this moment is left alone.
    """
    statement = update(ExecutorRun).where(
        ExecutorRun.status.not_in(UNFINISHED_VALUES), ExecutorRun.delivering_until.is_(None)
    )
    if run_id is None:
        statement = statement.where(ExecutorRun.next_delivery_at.is_not(None))
    else:
        statement = statement.where(ExecutorRun.id == run_id)
    return rows_changed(session, statement.values(next_delivery_at=now))
