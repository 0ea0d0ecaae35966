"""The level of a source in the ledger: every worker reports to it and gets its share of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.models import DataSource, SourceLevel
from portal.sync.throttle.level import Caps, Level, Report, Share, adjusted, shared

# A worker that changes from one batch to the next must not look as if it had left.
_USER_SECONDS = 5.0
# Until the others have heard of a newcomer the rate is theirs.
_NEWCOMER_PAUSE = 1.0


def exchange(session: Session, source_id: int, report: Report, *, by: str, now: datetime) -> Share:
    """Take in what a worker saw, and give it its part of the level that follows from it."""
    source = session.get_one(DataSource, source_id)
    row = _locked_row(session, source_id)
    instant = now.timestamp()
    level = adjusted(Level.from_json(row.level), report, instant)
    is_newcomer = by not in row.users
    users = {name: at for name, at in row.users.items() if abs(instant - at) < _USER_SECONDS} | {
        by: instant
    }
    row.level, row.users = level.as_json(), users
    usable = level.capped(Caps(source.concurrency_cap, source.rate_cap))
    pause = max(0.0, level.paused_until - instant)
    if is_newcomer and len(users) > 1 and usable.rate is not None:
        pause = max(pause, _NEWCOMER_PAUSE)
    return shared(
        usable,
        place=sorted(users).index(by),
        users=len(users),
        bandwidth=source.bandwidth_cap,
        pause=pause,
    )


def _locked_row(session: Session, source_id: int) -> SourceLevel:
    row = session.get(SourceLevel, source_id, with_for_update=True)
    if row is not None:
        return row
    # Another worker may be the first one in this moment.
    with suppress(IntegrityError), session.begin_nested():
        session.add(SourceLevel(data_source_id=source_id, level=Level().as_json(), users={}))
    return session.get_one(SourceLevel, source_id, with_for_update=True, populate_existing=True)


def level_of(source: DataSource) -> Level:
    """The level as it may be used now."""
    level = Level() if source.level is None else Level.from_json(source.level.level)
    return level.capped(Caps(source.concurrency_cap, source.rate_cap))
