"""封存 of the 操作日志: the next unsealed events become a link of the hash chain.

A step reads first and then writes one row, so it is short, harmless to kill, and safe to do in
several agents at once: the number of a seal is unique, and of two who make the same one the
second finds it made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, defer

from portal.ledger import Ledger
from portal.models import AuditSeal
from portal.seal_key import SealKey
from portal.services import open_gaps, same_keys, trail_rows
from portal.services.id_ranges import Range, ranges_of, text_of, without
from portal.services.open_gaps import Gap
from portal.services.seal_form import (
    DIGEST_BYTES,
    EVENTS,
    FIRST_PREVIOUS,
    FORM,
    Anchor,
    anchor_of,
    seal_hash,
)
from portal.services.trail_rows import Digested

# Their digests must fit the smallest kind of binary column there is: 65,535 bytes on MariaDB.
MOST_EVENTS = 65_535 // DIGEST_BYTES
# Nobody waits for the exact number of unsealed events when there are more.
_COUNT_AT_MOST = 10_000


def seal_step(ledger: Ledger, key: SealKey, *, now: datetime, limit: int = MOST_EVENTS) -> int:
    """Seal the next events, at most ``limit``; how many, 0 when there are none.

    Idempotent, and 0 too when somebody else sealed them in this moment.

    :raises SyncError: SECRET_KEY_CHANGED
    """
    with ledger.read() as session:
        found = _look(session, limit)
    if not found.events:
        return 0
    seal = _seal(found, key, now)

    def add(session: Session) -> None:
        same_keys.require_current(session, key.fingerprint)
        session.add(seal)

    try:
        ledger.transact(add)
    except IntegrityError:
        return 0
    return len(found.events)


def newest_anchor(session: Session) -> Anchor | None:
    """The newest seal's anchor, to be kept where whoever can write the database cannot."""
    query = select(AuditSeal.no, AuditSeal.hash).order_by(AuditSeal.no.desc()).limit(1)
    newest = session.execute(query).first()
    return None if newest is None else anchor_of(newest.no, newest.hash)


@dataclass(frozen=True, slots=True)
class SealState:
    """How far the sealing has come."""

    sealed: int
    """Events."""
    reached_id: int
    gaps: Sequence[Gap]
    sealed_at: datetime | None
    anchor: Anchor | None
    unsealed: int
    """Counted up to ten thousand."""
    oldest_unsealed_at: datetime | None

    def is_sealed(self, event_id: int) -> bool:
        """Whether the event is in a seal."""
        in_gap = any(gap.ids[0] <= event_id <= gap.ids[1] for gap in self.gaps)
        return event_id <= self.reached_id and not in_gap


def seal_state(session: Session) -> SealState:
    """How far the sealing has come, and the window of events that are not sealed yet."""
    seal = _newest(session)
    reached = seal.reached_id if seal else 0
    waiting = (select(EVENTS.id, EVENTS.at).where(EVENTS.id > reached).order_by(EVENTS.id)).limit(
        _COUNT_AT_MOST
    )
    inner = waiting.subquery()
    count = session.scalar(select(func.count()).select_from(inner)) or 0
    oldest = session.execute(waiting.limit(1)).first()
    return SealState(
        sealed=seal.total if seal else 0,
        reached_id=reached,
        gaps=open_gaps.gaps_in(seal.open_gaps) if seal else (),
        sealed_at=seal.sealed_at if seal else None,
        anchor=anchor_of(seal.no, seal.hash) if seal else None,
        unsealed=count,
        oldest_unsealed_at=oldest.at if oldest else None,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """One look at the trail: what there is to seal behind the newest seal."""

    before: AuditSeal | None
    events: Sequence[Digested]
    reached_id: int
    gaps: Sequence[Gap]


def _look(session: Session, limit: int) -> _Found:
    before = _newest(session)
    reached = before.reached_id if before else 0
    known = open_gaps.gaps_in(before.open_gaps) if before else []
    writing = open_gaps.writing_now(session) if known else frozenset()
    late = trail_rows.within(session, [gap.ids for gap in known], limit=limit) if known else []
    if len(late) == limit:
        # There may be more in the gaps: none is closed before all that is in it was seen.
        writing = frozenset(name for gap in known for name in gap.writers)
    gaps = open_gaps.still_open(known, _ranges(late), writing)
    fresh = trail_rows.behind(session, reached, limit=limit - len(late))
    if fresh:
        newest = fresh[-1][0]
        missing = without([(reached + 1, newest)], _ranges(fresh))
        gaps += open_gaps.new_gaps(session, missing)
        reached = newest
    return _Found(before, [*late, *fresh], reached, gaps)


def _ranges(events: Sequence[Digested]) -> list[Range]:
    return ranges_of(event_id for event_id, _ in events)


def _seal(found: _Found, key: SealKey, now: datetime) -> AuditSeal:
    ranges = _ranges(found.events)
    before = found.before
    seal = AuditSeal(
        no=before.no + 1 if before else 1,
        form=FORM,
        sealed_at=now.astimezone(UTC),
        first_id=ranges[0][0],
        last_id=ranges[-1][1],
        count=len(found.events),
        total=(before.total if before else 0) + len(found.events),
        reached_id=found.reached_id,
        ids=text_of(ranges),
        open_gaps=open_gaps.text_of(found.gaps),
        digests=b"".join(digest for _, digest in found.events),
        previous=before.hash if before else FIRST_PREVIOUS,
    )
    seal.hash = seal_hash(seal)
    seal.mac = key.mac(seal.hash)
    return seal


def _newest(session: Session) -> AuditSeal | None:
    return session.scalar(
        select(AuditSeal)
        .options(defer(AuditSeal.digests, raiseload=True))
        .order_by(AuditSeal.no.desc())
        .limit(1)
    )
