"""Verifications of the trail: asked for on a page, done by a worker or a command, shown to all."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.models import AuditCheck
from portal.services import audit
from portal.services.audit_findings import TrailReport
from portal.services.changing import rows_changed

LEASE = timedelta(seconds=30)
_LONGEST_REASON = 255


def ask(session: Session, *, by: str, now: datetime) -> AuditCheck:
    """Ask for a verification; one that is asked for already is not asked for twice."""
    unfinished = newest(session)
    if unfinished is not None and unfinished.ended_at is None:
        return unfinished
    check = AuditCheck(asked_by=by, asked_at=now)
    session.add(check)
    audit.record(session, "audit.ask", by=by, at=now)
    session.flush()
    return check


def newest(session: Session) -> AuditCheck | None:
    """The last one that was asked for."""
    return session.scalar(select(AuditCheck).order_by(AuditCheck.id.desc()).limit(1))


def newest_ended(session: Session) -> AuditCheck | None:
    """The last one with a result."""
    query = select(AuditCheck).where(AuditCheck.ended_at.is_not(None))
    return session.scalar(query.order_by(AuditCheck.ended_at.desc()).limit(1))


def due(session: Session, *, now: datetime) -> int | None:
    """The one that waits for a worker, or whose worker is not heard of any more."""
    check = newest(session)
    if check is None or check.ended_at is not None:
        return None
    held = check.lease_expires_at is not None and check.lease_expires_at > now
    return None if held else check.id


def claim(session: Session, check_id: int, *, owner: str, now: datetime) -> bool:
    """Take a verification that nobody does; False when somebody does or did it."""
    if due(session, now=now) != check_id:
        return False
    query = select(AuditCheck).where(AuditCheck.id == check_id).with_for_update()
    check = session.scalars(query.execution_options(populate_existing=True)).one()
    if check.ended_at or (check.lease_expires_at is not None and check.lease_expires_at > now):
        return False
    check.lease_owner = owner
    check.lease_expires_at = now + LEASE
    return True


def note_progress(
    session: Session, check_id: int, *, owner: str, checked: int, total: int, now: datetime
) -> None:
    """Keep the claim and say how far it is."""
    session.execute(
        update(AuditCheck)
        .where(AuditCheck.id == check_id, AuditCheck.lease_owner == owner)
        .values(checked=checked, total=total, lease_expires_at=now + LEASE)
    )


def give_back(session: Session, check_id: int, *, owner: str) -> None:
    """Let somebody else do it."""
    session.execute(
        update(AuditCheck)
        .where(
            AuditCheck.id == check_id,
            AuditCheck.lease_owner == owner,
            AuditCheck.ended_at.is_(None),
        )
        .values(lease_owner=None, lease_expires_at=None)
    )


def finish(
    session: Session, check_id: int, report: TrailReport, *, owner: str, now: datetime
) -> bool:
    """Keep the result and write it into the trail; False when somebody else was first."""
    ended = rows_changed(
        session,
        update(AuditCheck)
        .where(
            AuditCheck.id == check_id,
            AuditCheck.lease_owner == owner,
            AuditCheck.ended_at.is_(None),
        )
        .values(_result(report, now) | {"lease_owner": None, "lease_expires_at": None}),
    )
    if ended:
        asked_by = select(AuditCheck.asked_by).where(AuditCheck.id == check_id)
        _record(session, report, by=session.scalars(asked_by).one(), now=now)
    return bool(ended)


def record_done(session: Session, report: TrailReport, *, by: str, now: datetime) -> None:
    """Keep the result of a verification that a command has done."""
    session.add(AuditCheck(asked_by=by, asked_at=now, **_result(report, now)))
    _record(session, report, by=by, now=now)


def _result(report: TrailReport, now: datetime) -> dict[str, object]:
    return {
        "checked": report.events,
        "total": report.events,
        "ended_at": now,
        "is_sound": report.is_sound,
        "report": report.as_json(),
    }


def _record(session: Session, report: TrailReport, *, by: str, now: datetime) -> None:
    first = report.faults[0] if report.faults else None
    audit.record(
        session,
        "audit.verify",
        by=by,
        at=now,
        new="sound" if report.is_sound else "unsound",
        reason=None if first is None else first.code,
        detail={
            "events": report.events,
            "seals": report.seals,
            "anchors": report.anchors,
            "faults": report.count,
        }
        | ({} if first is None else {"first_event": first.event_id}),
    )
