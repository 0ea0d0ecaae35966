"""The trail, what waits for a clerk, who is logged in, and our own processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from executor.exposition import Family, Sample
from portal.models import Chore, Notice
from portal.services import beats, login_tries, logins
from portal.services.figures.ages import age
from portal.services.sealing import seal_state
from portal.statuses import ChoreStatus, NoticeStatus


def figures(session: Session, now: datetime) -> Iterator[Family]:
    """Events to be sealed, chores, notices, logins, processes."""
    yield from _trail(session, now)
    yield from _chores(session, now)
    yield from _notices(session)
    yield from _logins(session, now)
    yield from _processes(session, now)


def _trail(session: Session, now: datetime) -> Iterator[Family]:
    state = seal_state(session)
    yield Family(
        "imgmig_audit_unsealed", "Audit events not sealed yet, up to 10000.", [({}, state.unsealed)]
    )
    oldest = state.oldest_unsealed_at
    yield Family(
        "imgmig_audit_unsealed_age_seconds",
        "Age of the oldest of them.",
        [({}, age(oldest, now) if oldest else 0.0)],
    )


def _chores(session: Session, now: datetime) -> Iterator[Family]:
    """Only what is not finished: of the rest there may be many."""
    query = (
        select(Chore.status, func.count(), func.min(Chore.asked_at))
        .where(Chore.status.in_([ChoreStatus.WAITING, ChoreStatus.RUNNING]))
        .group_by(Chore.status)
    )
    rows = {status: (number, since) for status, number, since in session.execute(query)}
    counts: list[Sample] = []
    ages: list[Sample] = []
    for status in (ChoreStatus.WAITING, ChoreStatus.RUNNING):
        number, since = rows.get(status, (0, None))
        counts.append(({"state": status.value}, number))
        ages.append(({"state": status.value}, age(since, now) if since else 0.0))
    yield Family("imgmig_chores", "Chores that wait or are being done.", counts)
    yield Family("imgmig_chore_age_seconds", "Since when the oldest was asked for.", ages)


def _notices(session: Session) -> Iterator[Family]:
    query = (
        select(Notice.status, func.count())
        .where(Notice.status.in_([NoticeStatus.WAITING, NoticeStatus.FAILED]))
        .group_by(Notice.status)
    )
    rows = {row[0]: row[1] for row in session.execute(query)}
    yield Family(
        "imgmig_notices_undelivered",
        "Notices that wait for delivery, or were given up in the last 90 days.",
        [
            ({"state": status.value}, rows.get(status, 0))
            for status in (NoticeStatus.WAITING, NoticeStatus.FAILED)
        ],
    )


def _logins(session: Session, now: datetime) -> Iterator[Family]:
    """Failed and refused ones are requests to /login with 422 and 429."""
    yield Family("imgmig_logins", "Logins that were not ended.", [({}, logins.count(session))])
    yield Family(
        "imgmig_login_waits",
        "Names and addresses that have to wait after too many wrong passwords.",
        [({}, login_tries.waiting(session, now=now))],
    )


def _processes(session: Session, now: datetime) -> Iterator[Family]:
    """What every living process last said of itself, on whatever host."""
    alive = beats.alive(session, now=now)
    labels = [{"kind": one.kind, "host": one.host, "pid": str(one.pid)} for one in alive]
    each: Sequence[tuple[str, str, Sequence[float]]] = (
        (
            "imgmig_process_resident_memory_bytes",
            "Resident memory of each process.",
            [one.memory_bytes for one in alive],
        ),
        ("imgmig_process_threads", "Threads of each process.", [one.threads for one in alive]),
        (
            "imgmig_process_open_fds",
            "Open file descriptors of each process.",
            [one.open_files for one in alive],
        ),
        (
            "imgmig_process_start_time_seconds",
            "When each process began, epoch seconds.",
            [one.started_at.timestamp() for one in alive],
        ),
        (
            "imgmig_process_beat_age_seconds",
            "Since each process was last seen.",
            [age(one.seen_at, now) for one in alive],
        ),
    )
    for name, text, values in each:
        yield Family(name, text, list(zip(labels, values, strict=True)))
    counts = [({"kind": kind}, sum(one.kind == kind for one in alive)) for kind in beats.KINDS]
    yield Family("imgmig_processes", "Living processes by kind.", counts)
