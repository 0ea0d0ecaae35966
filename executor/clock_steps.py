"""After the clock was put back: nothing waits for a moment that no rule could have named."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from .changes import rows_changed
from .claims import LEASE
from .models import ExecutorRun
from .outbox import LONGEST_WAIT
from .parcels import RESERVED
from .statuses import RunStatus

MARGIN: Final = timedelta(minutes=1)


def has_impossible_waits(session: Session, now: datetime) -> bool:
    """Whether a run waits longer than any rule allows."""
    query = select(ExecutorRun.id).where(
        or_(
            ExecutorRun.lease_expires_at > now + LEASE + MARGIN,
            ExecutorRun.next_delivery_at > now + LONGEST_WAIT + MARGIN,
            ExecutorRun.delivering_until > now + RESERVED + MARGIN,
            _offered_later(now),
        )
    )
    return session.scalars(query.limit(1)).first() is not None


def draw_back(session: Session, now: datetime) -> None:
    """Shorten such waits: a lease or reservation to its full length, a delivery to at once.

    What was offered to the queue in the future counts as offered now.
    """
    for condition, values in (
        (ExecutorRun.lease_expires_at > now + LEASE + MARGIN, {"lease_expires_at": now + LEASE}),
        (ExecutorRun.next_delivery_at > now + LONGEST_WAIT + MARGIN, {"next_delivery_at": now}),
        (
            ExecutorRun.delivering_until > now + RESERVED + MARGIN,
            {"delivering_until": now + RESERVED},
        ),
        (_offered_later(now), {"offered_at": now}),
    ):
        rows_changed(session, update(ExecutorRun).where(condition).values(values))


def _offered_later(now: datetime) -> ColumnElement[bool]:
    return and_(ExecutorRun.status == RunStatus.QUEUED.value, ExecutorRun.offered_at > now + MARGIN)
