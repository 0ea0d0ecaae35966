"""The items of 确保前提 that no program can see: who looked, when, and what they noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed
from portal.models import DataSource, PreflightTick
from portal.services import audit
from portal.services.preflight_items import BY_HAND

# As long as a reason in the trail may be.
LONGEST_REMARK = 255


def ticked(session: Session, source_id: int) -> Mapping[str, PreflightTick | None]:
    """The tick of each item by hand; none where it is open."""
    query = select(PreflightTick).where(
        PreflightTick.data_source_id == source_id, PreflightTick.withdrawn_at.is_(None)
    )
    standing = {tick.item: tick for tick in session.scalars(query)}
    return {item: standing.get(item) for item in BY_HAND}


def withdrawn(session: Session, source_id: int) -> Sequence[PreflightTick]:
    """The ticks that were taken back, the newest first."""
    query = select(PreflightTick).where(
        PreflightTick.data_source_id == source_id, PreflightTick.withdrawn_at.is_not(None)
    )
    return session.scalars(query.order_by(PreflightTick.id.desc()).limit(50)).all()


def tick(
    session: Session, source: DataSource, item: str, *, remark: str, by: str, now: datetime
) -> PreflightTick:
    """Say that an item is met; the caller has locked the source.

    :raises NotAllowed: when there is no such item, it is ticked already, or nothing is remarked
    """
    text = remark.strip()
    if item not in BY_HAND:
        items = ", ".join(BY_HAND)
        raise NotAllowed(f"没有人工确认项 {item}（有 {items}）", f"no item {item}, only {items}")
    if not text:
        raise NotAllowed("请写明如何确认的", "say how it was confirmed")
    if len(text) > LONGEST_REMARK:
        raise NotAllowed(
            f"备注不能超过 {LONGEST_REMARK} 字", f"a remark has {LONGEST_REMARK} characters at most"
        )
    if ticked(session, source.id)[item] is not None:
        raise NotAllowed("该项已经确认", "the item is ticked already")
    made = PreflightTick(
        data_source_id=source.id, item=item, ticked_by=by, ticked_at=now, remark=text
    )
    session.add(made)
    detail = {"item": item}
    name = source.name[:40]
    audit.record(session, "preflight.tick", by=by, at=now, new=name, reason=text, detail=detail)
    return made


def withdraw(
    session: Session, source: DataSource, item: str, *, why: str, by: str, now: datetime
) -> None:
    """Take a tick back; it stays on record.

    :raises NotAllowed: when the item is not ticked, or the reason is too long
    """
    tick = ticked(session, source.id).get(item)
    if tick is None:
        raise NotAllowed("该项没有确认", "the item is not ticked")
    text = why.strip()
    if len(text) > LONGEST_REMARK:
        raise NotAllowed(
            f"备注不能超过 {LONGEST_REMARK} 字", f"a remark has {LONGEST_REMARK} characters at most"
        )
    tick.withdrawn_by, tick.withdrawn_at, tick.withdrawn_why = by, now, text
    detail = {"item": item}
    name = source.name[:40]
    audit.record(
        session, "preflight.withdraw", by=by, at=now, old=name, reason=text or None, detail=detail
    )
