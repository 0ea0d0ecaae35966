"""推送 in the ledger: what came of a claim, and trying again.

Everything a claim brings is taken only while it is in force, so that a pusher that was frozen or
cut off changes nothing. Every change of status has its event.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal import statuses
from portal.errors import SyncError
from portal.models import Push, PushedFile
from portal.services import audit
from portal.services.push_claims import ArchivedFile, PushClaim, forget_files, ours
from portal.statuses import PushStatus
from portal.sync.targets.base import Collected
from portal.sync.transfer.retry import delay_before, is_final

# What is pushed and not yet confirmed is asked for later and later.
_FIRST_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 15.0, 3600.0
_chance = random.SystemRandom()


def note_file(session: Session, held: PushClaim, file: ArchivedFile, collected: Collected) -> None:
    """Keep what the target calls a file, so that it is not sent again.

    That is progress: tries that failed before it no longer count.

    :raises PushLost: when the claim is no longer in force
    """
    ours(session, held).attempts = 0
    gone = delete(PushedFile).where(
        PushedFile.push_id == held.push_id, PushedFile.file_id == file.file_id
    )
    session.execute(gone)
    session.add(
        PushedFile(
            push_id=held.push_id,
            file_id=file.file_id,
            sha256=file.sha256,
            file_no=collected.file_no,
            src_path=collected.src_path,
        )
    )


def mark_pushed(session: Session, held: PushClaim, *, now: datetime) -> None:
    """The target has taken the submission; the claim stays, to ask whether it is confirmed.

    :raises PushLost: when the claim is no longer in force
    """
    push = ours(session, held)
    _change(session, push, PushStatus.PUSHED, by=held.owner, now=now)
    push.pushed_at, push.confirmed_at, push.image_status = now, None, None
    push.attempts, push.error_code, push.error_params = 0, None, None


def mark_confirmed(session: Session, held: PushClaim, status: str, *, now: datetime) -> None:
    """The target says that it has the document; the claim ends.

    :raises PushLost: when the claim is no longer in force
    """
    push = ours(session, held)
    _change(session, push, PushStatus.CONFIRMED, by=held.owner, now=now, reason=status or None)
    push.confirmed_at, push.image_status, push.lease_owner = now, status, None
    push.attempts, push.error_code, push.error_params = 0, None, None


def look_later(session: Session, held: PushClaim, status: str, *, now: datetime) -> None:
    """The target knows it under a status that does not count as confirmed; the claim ends.

    :raises PushLost: when the claim is no longer in force
    """
    push = ours(session, held)
    seconds = min(_LONGEST_LOOK_SECONDS, _FIRST_LOOK_SECONDS * 2 ** min(push.attempts, 10))
    push.attempts += 1
    push.image_status, push.lease_owner = status, None
    push.next_try_at = now + timedelta(seconds=seconds)


def fail(session: Session, held: PushClaim, error: SyncError, *, now: datetime) -> None:
    """A try failed for the document's sake: it is tried again later, or failed for good.

    :raises PushLost: when the claim is no longer in force
    """
    push = ours(session, held)
    push.error_code, push.error_params, push.lease_owner = error.code, error.params, None
    push.attempts += 1
    is_stale = error.code == "TGT_REFUSED" and error.params.get("call") == "scanBillSubmit"
    if is_stale and any(file.collected for file in held.files):
        # What was handed over in an earlier claim may be gone there by now: it is handed over anew.
        forget_files(session, [push.id])
        push.next_try_at = now
    elif is_final(push.attempts, error):
        _change(session, push, PushStatus.FAILED, by=held.owner, now=now, reason=error.code)
    else:
        push.next_try_at = now + delay_before(push.attempts, error, _chance)


def give_back(
    session: Session,
    held: PushClaim,
    *,
    now: datetime,
    seconds: float = 0.0,
    cause: SyncError | None = None,
) -> None:
    """End the claim without counting it as a try, due again in so many seconds.

    :param cause: why, when it was not the document's fault
    :raises PushLost: when the claim is no longer in force
    """
    push = ours(session, held)
    push.lease_owner, push.next_try_at = None, now + timedelta(seconds=seconds)
    if cause is not None:
        push.error_code, push.error_params = cause.code, cause.params


def push_again(
    session: Session, push_ids: Collection[int], *, by: str, now: datetime, reason: str
) -> int:
    """Have documents pushed once more from the beginning; how many.

    Those that wait already are left as they are.
    """
    query = (
        select(Push)
        .where(Push.id.in_(push_ids), Push.status != PushStatus.WAITING)
        .order_by(Push.id)
        .with_for_update()
    )
    again = session.scalars(query).all()
    for push in again:
        _change(session, push, PushStatus.WAITING, by=by, now=now, reason=reason)
        push.attempts, push.error_code, push.error_params = 0, None, None
        push.lease_owner, push.next_try_at = None, now
        push.fence += 1  # whatever somebody is about to say of it is outdated
    forget_files(session, [push.id for push in again])
    return len(again)


def miss(session: Session, push_id: int, *, by: str, now: datetime) -> bool:
    """A reconciliation did not find a pushed document at the target; False when it has moved on."""
    push = session.get(Push, push_id, with_for_update=True)
    if push is None or push.status not in (PushStatus.PUSHED, PushStatus.CONFIRMED):
        return False
    _change(session, push, PushStatus.FAILED, by=by, now=now, reason="TGT_NOT_FOUND")
    push.error_code, push.error_params, push.lease_owner = "TGT_NOT_FOUND", {}, None
    push.fence += 1
    return True


def _change(
    session: Session,
    push: Push,
    new: PushStatus,
    *,
    by: str,
    now: datetime,
    reason: str | None = None,
) -> None:
    statuses.check(push.status, new)
    event = audit.item_event(
        by=by,
        at=now,
        batch_id=push.batch_id,
        document_id=push.document_id,
        old=push.status,
        new=new,
        reason=reason,
    )
    audit.record_items(session, [event | {"action": "push.status"}])
    push.status = new
