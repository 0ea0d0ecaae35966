"""The breaker: failures in a row with one cause, of a batch or of one of its organisations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.models import Batch, FailureStreak
from portal.services import holds
from portal.statuses import RunStatus

MOST_FAILURES = 50
_WHOLE = ""


def note(
    session: Session,
    batch_id: int,
    outcomes: Sequence[tuple[str, SyncError | None]],
    *,
    by: str,
    now: datetime,
) -> None:
    """Count the outcomes of a group, each the organisation's code and its error or None.

    Opens a hold when :data:`MOST_FAILURES` tries in a row failed alike. The failures of the whole
    batch come first: where every organisation fails there is one hold and one notice.
    """
    has_failures = any(error is not None for _, error in outcomes)
    batch = session.get_one(Batch, batch_id, with_for_update=has_failures)
    query = select(FailureStreak).where(FailureStreak.batch_id == batch_id)
    known = {streak.org_code: streak for streak in session.scalars(query)}
    if batch.run_status is not RunStatus.RUNNING or not (known or has_failures):
        return
    held_orgs = {hold.org_code for hold in holds.of_batch(session, batch)} if has_failures else ()
    for org_code, error in outcomes:
        if error is not None and org_code in held_orgs:
            continue  # it was under way when its organisation was held
        for name in {_WHOLE, org_code}:
            _count(session, known, batch_id, name, error)
        if error is not None:
            _hold_if_too_many(session, batch, known, org_code, error, by=by, now=now)
    session.flush()


def _count(
    session: Session,
    known: dict[str, FailureStreak],
    batch_id: int,
    name: str,
    error: SyncError | None,
) -> None:
    streak = known.get(name)
    if error is None:
        if streak is not None:
            streak.failures = 0
    elif streak is None:
        known[name] = FailureStreak(batch_id=batch_id, org_code=name, code=error.code, failures=1)
        session.add(known[name])
    elif streak.code != error.code or not streak.failures:
        streak.code, streak.failures = error.code, 1
    else:
        streak.failures += 1


def _hold_if_too_many(
    session: Session,
    batch: Batch,
    known: dict[str, FailureStreak],
    org_code: str,
    error: SyncError,
    *,
    by: str,
    now: datetime,
) -> None:
    for name in (_WHOLE, org_code):
        streak = known[name]
        if streak.failures < MOST_FAILURES:
            continue
        for one in known.values() if name == _WHOLE else [streak]:
            one.failures = 0
        if holds.was_lifted_by_person(session, batch, error.code):
            continue
        org = None if name == _WHOLE else name
        holds.open_hold(session, error, batch=batch, org_code=org, by=by, now=now)
        return
