"""What only the ledger can tell: whether it answers, its schema, who is alive, what time it is.

The checks open a connection of their own and close it again: one from the pool may hang on a
server that went away, and would say so long after the server is back.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import URL, Connection, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.ledger import Ledger, prepare_engine, this_host
from portal.logs.redaction import redactor
from portal.models import utc_now
from portal.services import beats, clocks
from portal.services.leases import alive_workers
from portal.services.readiness.checks import Check, failed, fine
from portal.services.schema_fit import Fit, fit_of, known_revisions, revision_of

logger = logging.getLogger(__name__)

NAMES: Final = ("ledger", "schema", "agent", "worker", "clock")
"""A clock may be off by this much: leases last 30 s, a worker counts as alive for 10 s."""
_CONNECT_SECONDS = 2
# Seconds since 1970, where the server's clock may be another than ours.
# Whatever a server that is gone or stuck may cost us, in its driver's words.
_LIMITS: dict[str, dict[str, Any]] = {
    "postgresql": {
        "connect_timeout": _CONNECT_SECONDS,
        "tcp_user_timeout": 3000,
        "keepalives_idle": 3,
        "keepalives_interval": 1,
        "keepalives_count": 3,
    },
    "mysql": {"connect_timeout": _CONNECT_SECONDS, "read_timeout": 3, "write_timeout": 3},
    "mariadb": {"connect_timeout": _CONNECT_SECONDS, "read_timeout": 3, "write_timeout": 3},
}


class LedgerChecks:
    """Asks the ledger's database; one connection for all that is asked."""

    def __init__(self, ledger: Ledger) -> None:
        self._url: URL = ledger.url

    def __call__(self) -> Sequence[Check]:
        """What was found, in the order of :data:`NAMES`."""
        return self._asked(_all, NAMES)

    def of_this_host(self, kind: beats.Kind) -> Sequence[Check]:
        """Whether this host has a living process of the kind: one check, named like it."""

        def look(connection: Connection) -> Sequence[Check]:
            with Session(bind=connection, expire_on_commit=False) as session:
                return [_own(session, kind, utc_now())]

        return self._asked(look, (kind,))

    def _asked(
        self, look: Callable[[Connection], Sequence[Check]], names: Sequence[str]
    ) -> Sequence[Check]:
        limits = _LIMITS.get(self._url.get_backend_name(), {})
        engine = create_engine(self._url, poolclass=NullPool, connect_args=limits)
        prepare_engine(engine)
        try:
            with engine.connect() as connection:
                return look(connection)
        except (SQLAlchemyError, OSError) as error:
            said = _said(error)
            logger.warning("the ledger cannot be used: %s", said)
            return [failed(name, SyncError("LEDGER_AWAY"), said, said) for name in names]


def _all(connection: Connection) -> Sequence[Check]:
    schema = _schema(connection)
    first = [fine("ledger"), schema]
    if not schema.ok:
        # Their tables may not be there; which they are not has been said.
        rest = [failed(name, SyncError("SCHEMA_NOT_CURRENT")) for name in ("agent", "worker")]
        return [*first, *rest, _clock(connection)]
    now = utc_now()
    with Session(bind=connection, expire_on_commit=False) as session:
        processes = [_agent(session, now), _worker(session, now)]
    return [*first, *processes, _clock(connection)]


def _schema(connection: Connection) -> Check:
    newest, found = known_revisions()[-1], revision_of(connection) or "-"
    said = (f"账本 {found}，程序 {newest}", f"ledger {found}, program {newest}")
    match fit_of(connection):
        case Fit.OUTDATED:
            return failed("schema", SyncError("SCHEMA_NOT_CURRENT"), *said)
        case Fit.TOO_NEW:
            return failed("schema", SyncError("SCHEMA_TOO_NEW"), *said)
    return fine("schema", *said)


def _agent(session: Session, now: datetime) -> Check:
    hosts = [one.host for one in beats.alive(session, now=now) if one.kind == "agent"]
    if not hosts:
        return failed("agent", SyncError("NO_AGENT_ALIVE"))
    return fine("agent", *_counted(hosts))


def _worker(session: Session, now: datetime) -> Check:
    hosts = [worker.name.rsplit(".", 2)[0] for worker in alive_workers(session, now=now)]
    if not hosts:
        return failed("worker", SyncError("NO_WORKER_ALIVE"))
    return fine("worker", *_counted(hosts))


def _own(session: Session, kind: beats.Kind, now: datetime) -> Check:
    host = this_host()
    mine = [one for one in beats.alive(session, now=now) if (one.kind, one.host) == (kind, host)]
    if not mine:
        return failed(kind, SyncError("PROCESS_NOT_ALIVE", kind=kind, host=host))
    pids = ", ".join(str(one.pid) for one in mine)
    return fine(kind, f"进程号 {pids}", f"pid {pids}")


def _counted(hosts: Sequence[str]) -> tuple[str, str]:
    each = sorted(Counter(hosts).items())
    return (
        "；".join(f"{host}：{number} 个" for host, number in each),
        "; ".join(f"{host}: {number}" for host, number in each),
    )


def _clock(connection: Connection) -> Check:
    """Whether the server's clock agrees with ours."""
    ahead = clocks.seconds_ahead(connection)
    if ahead is None:
        return fine("clock", "账本在本机", "the ledger is on this host")
    said = (f"相差 {ahead:+.1f} 秒", f"{ahead:+.1f} s ahead")
    problem = clocks.judge(ahead)
    return failed("clock", problem, *said) if problem else fine("clock", *said)


def _said(error: Exception) -> str:
    """The first line of what the driver said, which may name the address it was given."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return redactor.redact(lines[0] if lines else type(cause).__name__)[:200]
