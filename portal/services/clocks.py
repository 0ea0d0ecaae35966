"""Whether this host's clock agrees with the one clock that all hosts share: the database's.

Leases and back-offs are moments of the host that wrote them. Hosts whose clocks differ take each
other's work too early or too late; the fence keeps that from doing harm, but not from being waste.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from portal.errors import SyncError
from portal.ledger import Ledger, this_host
from portal.models import utc_now

#: Seconds that clocks may differ: well below every lease there is.
MOST_SECONDS = 5.0
_NOW = {
    "postgresql": "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)",
    "mysql": "SELECT UNIX_TIMESTAMP(SYSDATE(6))",
    "mariadb": "SELECT UNIX_TIMESTAMP(SYSDATE(6))",
}


def seconds_ahead(connection: Connection, clock: Callable[[], datetime] = utc_now) -> float | None:
    """How far this host's clock is ahead of the database's; None where they are the same clock."""
    question = _NOW.get(connection.dialect.name)
    if question is None:
        return None
    before = clock()
    theirs = float(connection.execute(text(question)).scalar_one())
    after = clock()
    # The answer may be of any moment between; only what no such moment explains is a difference.
    database = datetime.fromtimestamp(theirs, UTC)
    if database < before:
        return (before - database).total_seconds()
    return min(0.0, (after - database).total_seconds())


def problem(ledger: Ledger, clock: Callable[[], datetime] = utc_now) -> SyncError | None:
    """HOST_CLOCK when this host's clock is off; None when it is not."""
    with ledger.read() as session:
        return judge(seconds_ahead(session.connection(), clock))


def judge(ahead: float | None) -> SyncError | None:
    """HOST_CLOCK when so many seconds are too many."""
    if ahead is None or abs(ahead) <= MOST_SECONDS:
        return None
    return SyncError("HOST_CLOCK", host=this_host(), seconds=f"{ahead:+.1f}")
