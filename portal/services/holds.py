"""暂缓: holding work that one cause would fail, probing whether it healed, and going on.

A hold is opened once, with one event in the trail, however many workers see its cause. While it is
in force a probe is made now and then: for the archive and for a source by the worker that asks
them, for a batch or one of its organisations by trying one document.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.errors import NotFound, SyncError
from portal.models import Batch, BatchItem, DataSource, FailureStreak, Hold, table_of
from portal.services import audit, notices
from portal.services.leases import DEFERRED, LEASE
from portal.statuses import ItemStatus

_FIRST_PROBE_SECONDS, _LONGEST_PROBE_SECONDS = 5.0, 30.0
# The same cause so soon after it seemed healed is the same hold: no second notice.
_FLAPPING = timedelta(minutes=2)
_ITEMS = table_of(BatchItem)


def open_hold(
    session: Session,
    cause: SyncError,
    *,
    source: DataSource | None = None,
    batch: Batch | None = None,
    org_code: str | None = None,
    by: str,
    now: datetime,
) -> Hold:
    """Hold everything (no source, no batch), a source, a batch, or an organisation of a batch.

    Idempotent while it is in force; the cause that was seen last is the one shown.
    """
    source_id, batch_id = source.id if source else None, batch.id if batch else None
    key = _key(source_id, batch_id, org_code)
    hold = session.scalar(select(Hold).where(Hold.key == key).with_for_update())
    if hold is None:
        hold = _just_lifted(
            session, cause, source_id=source_id, batch_id=batch_id, org_code=org_code, now=now
        )
    if hold is not None:
        hold.key, hold.lifted_at = key, None
        hold.code, hold.params = cause.code, cause.params
        hold.probe_at = now + _until_next(hold.probes)
        return hold
    hold = Hold(
        key=key,
        data_source_id=source_id,
        batch_id=batch_id,
        org_code=org_code,
        code=cause.code,
        params=cause.params,
        since=now,
        probes=0,
        probe_at=now + _until_next(0),
    )
    try:
        with session.begin_nested():
            session.add(hold)
    except IntegrityError:  # another worker saw the same cause in this moment
        return session.scalars(select(Hold).where(Hold.key == key)).one()
    _record(session, hold, "hold.open", source, by=by, now=now)
    notices.tell_of_hold(session, hold, source, lifted=False, now=now)
    return hold


def _key(source_id: int | None, batch_id: int | None, org_code: str | None) -> str:
    if batch_id is not None:
        return f"batch:{batch_id}:{org_code or ''}"
    return "archive" if source_id is None else f"source:{source_id}"


def _just_lifted(
    session: Session,
    cause: SyncError,
    *,
    source_id: int | None,
    batch_id: int | None,
    org_code: str | None,
    now: datetime,
) -> Hold | None:
    query = (
        select(Hold)
        .where(
            Hold.data_source_id == source_id,
            Hold.batch_id == batch_id,
            Hold.org_code == org_code,
            Hold.code == cause.code,
            Hold.key.is_(None),
            Hold.lifted_by.is_(None),
            # Both ways: the clock may have been put back since.
            Hold.lifted_at.between(now - _FLAPPING, now + _FLAPPING),
        )
        .order_by(Hold.id.desc())
        .limit(1)
    )
    return session.scalar(query)


def _until_next(probes: int) -> timedelta:
    seconds = min(_FIRST_PROBE_SECONDS * 2 ** min(probes, 10), _LONGEST_PROBE_SECONDS)
    return timedelta(seconds=seconds)


def in_force(session: Session) -> Sequence[Hold]:
    """Every hold in force, the oldest first."""
    return session.scalars(select(Hold).where(Hold.key.is_not(None)).order_by(Hold.id)).all()


def of_batch(session: Session, batch: Batch, *, lock: bool = False) -> Sequence[Hold]:
    """The holds in force that concern a batch, asked anew.

    :param lock: have nobody lift them before the transaction has ended
    """
    query = select(Hold).where(
        Hold.key.is_not(None),
        or_(
            Hold.key.in_(["archive", f"source:{batch.data_source_id}"]),
            Hold.batch_id == batch.id,
        ),
    )
    if lock:
        query = query.with_for_update(read=True).execution_options(populate_existing=True)
    return session.scalars(query.order_by(Hold.id)).all()


def take_probe(session: Session, hold: Hold, *, now: datetime) -> bool:
    """Become the one who probes, if a probe is due."""
    taken = session.execute(
        update(Hold)
        .where(Hold.id == hold.id, Hold.key.is_not(None), Hold.probe_at <= now)
        .values(probe_at=now + LEASE, probes=Hold.probes + 1)
        .execution_options(synchronize_session="fetch")
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined] # a cursor result has it


def probe_failed(session: Session, hold_id: int, cause: SyncError, *, now: datetime) -> bool:
    """The next probe comes a little later; whether it failed for what is held."""
    hold = session.get_one(Hold, hold_id, with_for_update=True)
    if hold.key is None:
        return False
    is_same = hold.code == cause.code
    if is_same or hold.batch_id is None:
        hold.code, hold.params = cause.code, cause.params
    hold.probe_at = now + _until_next(hold.probes)
    return is_same


def lift(session: Session, hold_id: int, *, by: str, now: datetime, person: bool = False) -> None:
    """Go on: the cause is healed, or a person will have it so; idempotent.

    What a person lifted is not held again for the same cause before the batch has ended.
    """
    hold = session.get(Hold, hold_id, with_for_update=True)
    if hold is None:
        raise NotFound("没有该暂缓", "there is no such hold")
    if hold.key is None:
        return
    hold.key = None
    hold.lifted_at = now
    hold.lifted_by = by if person else None
    if hold.batch_id is not None:
        _wake(session, hold.batch_id, now)
        session.execute(delete(FailureStreak).where(FailureStreak.batch_id == hold.batch_id))
    source = session.get(DataSource, hold.data_source_id) if hold.data_source_id else None
    _record(session, hold, "hold.lift", source, by=by, now=now)
    notices.tell_of_hold(session, hold, source, lifted=True, now=now)


def try_without(session: Session, hold_id: int, *, now: datetime) -> None:
    """Let the work itself be the probe: what fails again opens the same hold again."""
    hold = session.get_one(Hold, hold_id, with_for_update=True)
    hold.key = None
    hold.lifted_at = now
    if hold.batch_id is not None:
        # What cannot be a probe, as another batch has it, is deferred all the same.
        _wake(session, hold.batch_id, now)


def probe_now(session: Session, hold_id: int, *, now: datetime) -> None:
    """Have the next probe made at once.

    :raises NotFound: when there is no such hold
    """
    hold = session.get(Hold, hold_id, with_for_update=True)
    if hold is None:
        raise NotFound("没有该暂缓", "there is no such hold")
    hold.probe_at = min(hold.probe_at, now)


def probe_source(session: Session, source: DataSource, *, now: datetime) -> None:
    """The source's settings were changed: look at once whether that healed it."""
    session.execute(
        update(Hold)
        .where(Hold.key == _key(source.id, None, None), Hold.probe_at > now)
        .values(probe_at=now)
    )


def drop(session: Session, batch_id: int, *, now: datetime) -> None:
    """The batch has ended: nothing of it is held any more, and no failures are in a row."""
    session.execute(
        update(Hold)
        .where(Hold.batch_id == batch_id, Hold.key.is_not(None))
        .values(key=None, lifted_at=now)
    )
    # What a person had go on all the same was meant for these documents, not for a later run.
    session.execute(update(Hold).where(Hold.batch_id == batch_id).values(is_over=True))
    session.execute(delete(FailureStreak).where(FailureStreak.batch_id == batch_id))


def _wake(session: Session, batch_id: int, now: datetime) -> None:
    """Make due what was deferred; of another held organisation it is deferred again when met."""
    session.connection().execute(
        update(_ITEMS)
        .where(
            _ITEMS.c.batch_id == batch_id,
            _ITEMS.c.status == ItemStatus.PENDING,
            _ITEMS.c.next_try_at >= DEFERRED,
        )
        .values(next_try_at=now)
    )


def was_lifted_by_person(session: Session, batch: Batch, code: str) -> bool:
    """Whether a person had the batch go on in spite of this cause, and it has not ended since."""
    query = select(Hold.id).where(
        Hold.batch_id == batch.id,
        Hold.is_over.is_(False),
        Hold.code == code,
        Hold.lifted_by.is_not(None),
    )
    return session.scalar(query.limit(1)) is not None


def _record(
    session: Session,
    hold: Hold,
    action: str,
    source: DataSource | None,
    *,
    by: str,
    now: datetime,
) -> None:
    detail: dict[str, Any] = {}
    if source is not None:
        detail["source"] = source.name
    if hold.org_code:
        detail["org"] = hold.org_code
    audit.record(
        session,
        action,
        by=by,
        at=now,
        batch_id=hold.batch_id,
        reason=hold.code,
        detail=detail,
    )
