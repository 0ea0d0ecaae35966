"""通知: what happened is told to the channels that want it, in the transaction in which it happens.

Delivered by a clerk, each notice as a chore of its own; tried again for about a day.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from portal import statuses
from portal.errors import PROBLEMS, NotFound, SyncError
from portal.models import Batch, DataSource, Hold, Notice, NoticeChannel
from portal.notify.kinds import NoticeEvent
from portal.services import audit, chores, failure_groups
from portal.statuses import NoticeStatus, SyncStatus

CHORE = "notice.deliver"
_WAITS_SECONDS = (10, 30, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
_KEPT = timedelta(days=90)
_CAUSES = 3
_chance = random.SystemRandom()


def tell(
    session: Session, event: NoticeEvent, facts: Mapping[str, Any], *, now: datetime
) -> Sequence[Notice]:
    """Have every channel that wants such news told; nothing is sent before the commit."""
    notices = [
        Notice(
            channel_id=channel.id,
            event=event,
            facts=dict(facts),
            status=NoticeStatus.WAITING,
            created_at=now,
            next_try_at=now,
        )
        for channel in _wanting(session, event)
    ]
    session.add_all(notices)
    return notices


def _wanting(session: Session, event: NoticeEvent) -> Sequence[NoticeChannel]:
    query = select(NoticeChannel).where(NoticeChannel.enabled.is_(True))
    return [channel for channel in session.scalars(query) if event in channel.events]


def tell_of_end(session: Session, batch: Batch, *, now: datetime) -> None:
    """A batch has ended."""
    whole = batch.sync_status is SyncStatus.COMPLETE
    event = NoticeEvent.BATCH_COMPLETE if whole else NoticeEvent.BATCH_SHORT
    if not _wanting(session, event):
        return  # the causes of a million failures take a moment to count
    groups = [] if whole else failure_groups.by_cause(session, batch.id)[:_CAUSES]
    facts = {
        **_batch_facts(batch),
        "sync_status": batch.sync_status,
        "run_no": batch.run_no,
        "total": batch.total,
        "done": batch.done,
        "failed": batch.failed,
        "causes": [
            {"code": group.code, "params": group.params, "count": group.count} for group in groups
        ],
    }
    tell(session, event, facts, now=now)


def tell_of_hold(
    session: Session, hold: Hold, source: DataSource | None, *, lifted: bool, now: datetime
) -> None:
    """Something is held, or goes on."""
    batch = session.get(Batch, hold.batch_id) if hold.batch_id else None
    facts = {
        **(_batch_facts(batch) if batch else {}),
        **({"source": source.name} if source else {}),
        **({"org": hold.org_code} if hold.org_code else {}),
        "code": hold.code,
        "params": hold.params,
        "since": hold.since.isoformat(),
    }
    needs_person = PROBLEMS[hold.code].permanent if hold.code in PROBLEMS else True
    event = NoticeEvent.ATTENTION if needs_person else NoticeEvent.HOLD
    tell(session, NoticeEvent.WENT_ON if lifted else event, facts, now=now)


def _batch_facts(batch: Batch) -> dict[str, Any]:
    return {
        "batch_no": batch.batch_no,
        "source": batch.data_source.name,
        "from": batch.date_from.isoformat(),
        "to": batch.date_to.isoformat(),
    }


def ask_delivery(session: Session, *, now: datetime, limit: int = 20) -> int:
    """Ask the clerks to deliver what is due and no other agent is asking for; how many it was."""
    due = session.scalars(_due(now, limit).with_for_update(skip_locked=True)).all()
    for notice in due:
        chores.ask(
            session,
            CHORE,
            by="agent",
            now=now,
            subject=f"channel:{notice.channel_id}",
            params={"notice": notice.id},
        )
    return len(due)


def due_notices(session: Session, *, now: datetime, limit: int) -> Sequence[Notice]:
    """What waits and may be tried now, the oldest first."""
    return session.scalars(_due(now, limit)).all()


def _due(now: datetime, limit: int) -> Select[Notice]:
    query = select(Notice).where(Notice.status == NoticeStatus.WAITING, Notice.next_try_at <= now)
    return query.order_by(Notice.next_try_at).limit(limit)


def find(session: Session, notice_id: int) -> Notice:
    """
    :raises NotFound: when there is none
    """
    notice = session.get(Notice, notice_id)
    if notice is None:
        raise NotFound("没有这条通知", "there is no such notification")
    return notice


def delivered(session: Session, notice: Notice, *, now: datetime) -> None:
    """It was taken."""
    _set(notice, NoticeStatus.SENT)
    notice.attempts += 1
    notice.sent_at = now
    notice.error_code = notice.error_params = None


def refused(session: Session, notice: Notice, error: SyncError, *, now: datetime) -> None:
    """It was not taken: tried again later, and after about a day given up."""
    notice.error_code, notice.error_params = error.code, error.params
    notice.attempts += 1
    if notice.attempts > len(_WAITS_SECONDS):
        _set(notice, NoticeStatus.FAILED)
        return
    seconds = _WAITS_SECONDS[notice.attempts - 1] * _chance.uniform(0.8, 1.2)
    notice.next_try_at = now + timedelta(seconds=seconds)


def send_again(session: Session, notice: Notice, *, by: str, now: datetime) -> None:
    """Try at once, and as often as a new one."""
    if notice.status is not NoticeStatus.WAITING:
        _set(notice, NoticeStatus.WAITING)
    notice.attempts = 0
    notice.next_try_at = now
    detail = {"channel": notice.channel.name, "notice": notice.id}
    audit.record(session, "notice.again", by=by, at=now, detail=detail)


def forget_old(session: Session, *, now: datetime) -> None:
    """Let go of what was told long ago."""
    session.execute(delete(Notice).where(Notice.created_at < now - _KEPT))


def _set(notice: Notice, status: NoticeStatus) -> None:
    statuses.check(notice.status, status)
    notice.status = status
