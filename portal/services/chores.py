"""后台作业: asked for on a page, done once by a clerk, however many clerks die of it.

A clerk looks into the ledger by itself: nothing is told through the queue. It holds a chore by a
lease; the attempt's number is the fence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from portal.errors import NotFound
from portal.models import Chore, Clerk
from portal.statuses import ChoreStatus, check

LEASE = timedelta(seconds=15)
# A chore that was begun so often and never ended kills its clerks.
_MOST_ATTEMPTS = 3
_ALIVE = timedelta(seconds=10)
# A host whose clerks say nothing for so long does not come back to what it alone may do.
_HOST_GONE = timedelta(seconds=60)
_KEPT = timedelta(days=30)
_MANY = 500
_UNFINISHED = (ChoreStatus.WAITING, ChoreStatus.RUNNING)


class ChoreLost(Exception):
    """Somebody else has the chore now, or a person cancelled it: stop, and write nothing."""


@dataclass(frozen=True, slots=True)
class Held:
    """A chore in a clerk's hands."""

    chore_id: int
    attempt: int
    kind: str
    params: Mapping[str, Any]
    asked_by: str


def ask(
    session: Session,
    kind: str,
    *,
    by: str,
    now: datetime,
    subject: str = "",
    params: Mapping[str, Any] | None = None,
    host: str | None = None,
) -> Chore:
    """Ask for a chore; the same one that is still unfinished is not asked for twice."""
    values = dict(params or {})
    words = json.dumps([kind, subject, host, values], sort_keys=True)
    key = hashlib.sha256(words.encode()).hexdigest()
    same = select(Chore).where(Chore.unfinished_key == key).with_for_update()
    while (chore := session.scalar(same)) is None:
        chore = Chore(
            kind=kind,
            subject=subject,
            params=values,
            host=host,
            status=ChoreStatus.WAITING,
            asked_by=by,
            asked_at=now,
            unfinished_key=key,
        )
        # Somebody on another host may ask for the same in this moment: then theirs is found.
        with suppress(IntegrityError), session.begin_nested():
            session.add(chore)
            return chore
    return chore


def ask_every_host(
    session: Session,
    kind: str,
    *,
    by: str,
    now: datetime,
    subject: str = "",
    params: Mapping[str, Any] | None = None,
) -> Sequence[Chore]:
    """Ask for a chore on every worker host that is alive; none when there is no host."""
    return [
        ask(session, kind, by=by, now=now, subject=subject, params=params, host=host)
        for host in alive_hosts(session, now=now)
    ]


def find(session: Session, chore_id: int) -> Chore:
    """
    :raises NotFound: when there is none
    """
    chore = session.get(Chore, chore_id)
    if chore is None:
        raise NotFound("没有这个后台作业", "there is no such background task")
    return chore


def find_of(session: Session, kind: str, chore_id: int) -> Chore:
    """The same, of one kind only.

    :raises NotFound: when there is none of it
    """
    chore = find(session, chore_id)
    if chore.kind != kind:
        raise NotFound("没有这个后台作业", "there is no such background task")
    return chore


def statuses(session: Session, ids: Collection[int]) -> Mapping[int, ChoreStatus]:
    """How far some chores are, by id."""
    query = select(Chore.id, Chore.status).where(Chore.id.in_(ids))
    return {row.id: row.status for row in session.execute(query)}


def newest(session: Session, kind: str, subject: str = "", *, limit: int = 1) -> Sequence[Chore]:
    """The last ones of a kind about a subject, the newest first."""
    query = select(Chore).where(Chore.kind == kind, Chore.subject == subject)
    return session.scalars(query.order_by(Chore.id.desc()).limit(limit)).all()


def cancel(session: Session, chore: Chore, *, now: datetime) -> bool:
    """Have it stopped; False when it had ended already. What it has done so far stays."""
    if chore.is_finished:
        return False
    _end(chore, ChoreStatus.CANCELLED, now)
    return True


def fail_of_gone_hosts(session: Session, *, now: datetime) -> int:
    """End what only one host may do and no clerk of that host is heard of any more; how many.

    Nobody else would ever do it, and somebody waits for it.
    """
    gone = session.scalars(_of_gone_hosts(now).with_for_update(skip_locked=True)).all()
    for chore in gone:
        _end(chore, ChoreStatus.FAILED, now)
        chore.error_code, chore.error_params = "CHORE_HOST_GONE", {"host": chore.host}
    return len(gone)


def waits_for_gone_host(session: Session, *, now: datetime) -> bool:
    """Whether :func:`fail_of_gone_hosts` finds anything, without locking it."""
    return session.scalar(_of_gone_hosts(now).with_only_columns(Chore.id).limit(1)) is not None


def _of_gone_hosts(now: datetime) -> Any:
    heard = exists().where(
        Clerk.host == Chore.host, Clerk.seen_at.between(now - _HOST_GONE, now + _HOST_GONE)
    )
    return select(Chore).where(
        Chore.status.in_(_UNFINISHED),
        Chore.host.is_not(None),
        Chore.asked_at < now - _HOST_GONE,
        ~heard,
    )


def forget_old(session: Session, *, now: datetime) -> None:
    """Let go of what ended long ago, but for the last one of each kind, subject and host."""
    later = aliased(Chore)
    has_later = exists().where(
        later.kind == Chore.kind,
        later.subject == Chore.subject,
        or_(later.host == Chore.host, and_(later.host.is_(None), Chore.host.is_(None))),
        later.id > Chore.id,
    )
    old = select(Chore.id).where(Chore.ended_at < now - _KEPT, has_later).limit(_MANY)
    ids = session.scalars(old).all()
    session.execute(delete(Chore).where(Chore.id.in_(ids)))


def alive_hosts(session: Session, *, now: datetime) -> Sequence[str]:
    """The worker hosts whose clerk was seen lately, by name."""
    seen = Clerk.seen_at.between(now - _ALIVE, now + _ALIVE)
    return session.scalars(select(Clerk.host).where(seen).distinct().order_by(Clerk.host)).all()


def beat(
    session: Session, clerk: str, held: Collection[int] = (), *, host: str, now: datetime
) -> None:
    """Note that a clerk lives, and lengthen the leases of what it has in its hands."""
    session.merge(Clerk(name=clerk, host=host, seen_at=now))
    session.execute(
        update(Chore)
        .where(
            Chore.id.in_(held),
            Chore.lease_owner == clerk,
            Chore.status == ChoreStatus.RUNNING,
        )
        .values(lease_expires_at=now + LEASE)
    )


def leave(session: Session, clerk: str) -> None:
    """Forget a clerk that stops; what it still holds waits for another one."""
    session.execute(
        update(Chore)
        .where(Chore.lease_owner == clerk, Chore.status == ChoreStatus.RUNNING)
        .values(lease_owner=None, lease_expires_at=None)
    )
    session.execute(delete(Clerk).where(Clerk.name == clerk))


def is_due(session: Session, kinds: Collection[str], *, host: str, now: datetime) -> bool:
    """Whether a clerk of the host finds something to do, without locking anything."""
    return session.scalar(_due(kinds, host, now).with_only_columns(Chore.id).limit(1)) is not None


def claim(
    session: Session, kinds: Collection[str], *, clerk: str, host: str, now: datetime
) -> Held | None:
    """Take the oldest chore that waits or whose clerk is gone; none when there is nothing to do.

    One that was begun too often ends as failed.
    """
    query = _due(kinds, host, now).order_by(Chore.id).limit(1)
    chore = session.scalar(query.with_for_update(skip_locked=True))
    if chore is None:
        return None
    if chore.attempt >= _MOST_ATTEMPTS:
        _end(chore, ChoreStatus.FAILED, now)
        chore.error_code = "CHORE_LOST"
        chore.error_params = {"times": chore.attempt}
        return None
    if chore.status is ChoreStatus.WAITING:
        check(chore.status, ChoreStatus.RUNNING)
        chore.status = ChoreStatus.RUNNING
        chore.started_at = now
    chore.attempt += 1
    chore.lease_owner = clerk
    chore.lease_expires_at = now + LEASE
    return Held(chore.id, chore.attempt, chore.kind, chore.params, chore.asked_by)


def note_progress(
    session: Session,
    held: Held,
    *,
    done: int,
    total: int | None,
    so_far: Mapping[str, Any] | None = None,
) -> None:
    """Say how far it is and, if it can be told piece by piece, what came of it so far.

    :raises ChoreLost: when it is somebody else's or was cancelled
    """
    expect_held(session, held)
    values: dict[str, Any] = {"done": done, "total": total}
    if so_far is not None:
        values["result"] = dict(so_far)
    session.execute(update(Chore).where(Chore.id == held.chore_id).values(values))


def give_back(session: Session, held: Held) -> None:
    """Let another clerk do it, as this one stops; that costs no attempt."""
    put_off(session, held, until=None)


def put_off(session: Session, held: Held, *, until: datetime | None) -> None:
    """Let go of it until some moment, as it waits for something; that costs no attempt."""
    session.execute(
        update(Chore)
        .where(
            Chore.id == held.chore_id,
            Chore.attempt == held.attempt,
            Chore.status == ChoreStatus.RUNNING,
        )
        .values(lease_owner=None, lease_expires_at=until, attempt=Chore.attempt - 1)
    )


def finish(
    session: Session, held: Held, result: Mapping[str, Any] | None, *, now: datetime
) -> None:
    """It is done; what it wrote in this transaction becomes true with it.

    :raises ChoreLost: when it is somebody else's or was cancelled
    """
    chore = expect_held(session, held)
    _end(chore, ChoreStatus.DONE, now)
    chore.result = dict(result) if result is not None else None


def fail(
    session: Session, held: Held, code: str, params: Mapping[str, Any], *, now: datetime
) -> None:
    """It cannot be done: a code of the catalogue says why.

    :raises ChoreLost: when it is somebody else's or was cancelled
    """
    chore = expect_held(session, held)
    _end(chore, ChoreStatus.FAILED, now)
    chore.error_code = code
    chore.error_params = dict(params)


def expect_held(session: Session, held: Held) -> Chore:
    """The chore, locked, as long as it is in these hands.

    :raises ChoreLost: when it is somebody else's or was cancelled
    """
    query = select(Chore).where(
        Chore.id == held.chore_id,
        Chore.attempt == held.attempt,
        Chore.status == ChoreStatus.RUNNING,
    )
    found = query.with_for_update().execution_options(populate_existing=True)
    chore = session.scalar(found)
    if chore is None:
        raise ChoreLost(held.chore_id)
    return chore


def _end(chore: Chore, status: ChoreStatus, now: datetime) -> None:
    check(chore.status, status)
    chore.status = status
    chore.ended_at = now
    chore.unfinished_key = None
    chore.lease_owner = None
    chore.lease_expires_at = None


def _due(kinds: Collection[str], host: str, now: datetime) -> Any:
    free = or_(Chore.lease_expires_at.is_(None), Chore.lease_expires_at <= now)
    return select(Chore).where(
        Chore.status.in_(_UNFINISHED),
        Chore.kind.in_(sorted(kinds)),
        or_(Chore.host.is_(None), Chore.host == host),
        free,
    )
