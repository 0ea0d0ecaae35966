"""Writing the trail (操作日志), always in the transaction of the change it tells of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from portal.models import AuditEvent, table_of


def record(
    session: Session,
    action: str,
    *,
    by: str,
    at: datetime,
    batch_id: int | None = None,
    old: str | None = None,
    new: str | None = None,
    reason: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one event; ``by`` is a user's name, a worker's, or ``xxl-job``.

    From where it was done, the transaction knows: see :class:`portal.ledger.Ledger`.
    """
    event = AuditEvent(
        at=at,
        actor=by,
        origin=origin_of(session),
        action=action,
        batch_id=batch_id,
        old=old,
        new=new,
        reason=reason,
        detail=dict(detail) if detail else None,
    )
    session.add(event)


def item_event(
    *,
    by: str,
    at: datetime,
    batch_id: int,
    document_id: int,
    old: str,
    new: str,
    reason: str | None,
) -> dict[str, Any]:
    """One item's status change, for :func:`record_items`."""
    return {
        "at": at,
        "actor": by,
        "action": "item.status",
        "batch_id": batch_id,
        "document_id": document_id,
        "old": old,
        "new": new,
        "reason": reason,
    }


def record_items(session: Session, events: Iterable[dict[str, Any]]) -> None:
    """Write many item events in one statement."""
    origin = origin_of(session)
    rows = [{**event, "origin": origin} for event in events]
    if rows:
        session.connection().execute(insert(table_of(AuditEvent)), rows)


def origin_of(session: Session) -> str | None:
    """From where this transaction writes."""
    origin: str | None = session.info.get("origin")
    return origin
