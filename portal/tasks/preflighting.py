"""Having 确保前提 checked: what holds for the whole installation at once, the rest by each host."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.exc import SQLAlchemyError

from executor import Executor, shown_address
from portal.errors import SyncError
from portal.ledger import Ledger
from portal.services import preflight_once, preflights, sources
from portal.services.chores import alive_hosts
from portal.services.preflight_once import Registration
from portal.tasks.queue import WorkQueue


@dataclass(frozen=True, slots=True)
class Installation:
    """What of the installation is looked at, besides its ledger."""

    queue: WorkQueue
    executor: Executor
    admin_addresses: Sequence[str]

    def registrations(self, now: datetime) -> Sequence[Registration]:
        """How each configured admin took our last registration."""
        if not self.admin_addresses:
            return ()
        # Of several hosts that register one is enough, and one that is gone for good hides none.
        told = sorted(
            self.executor.reporting()[0], key=lambda one: (one.is_alive(now), one.attempted_at)
        )
        known = {one.admin_address: one for one in told}
        return [
            Registration(
                address,
                is_alive=address in known and known[address].is_alive(now),
                problem=(known[address].problem or "") if address in known else "",
            )
            for address in map(shown_address, self.admin_addresses)
        ]


def ask(
    ledger: Ledger,
    installation: Installation,
    source_id: int,
    *,
    days: tuple[date, date],
    by: str,
    clock: Callable[[], datetime],
    host: str | None = None,
) -> int:
    """Begin a preflight; the id of the one that is under way already, or of the new one.

    :param host: the only host, which makes its report itself; otherwise every worker host that is
        alive is asked
    :raises NotFound: when there is no such source
    :raises SyncError: LEDGER_UNWRITABLE
    """
    started = time.monotonic()
    try:
        with ledger.write() as session:
            now = clock()
            source = sources.get(session, source_id, lock=True)
            if host is None:
                under_way = preflights.unfinished(session, source_id, now=now)
                if under_way is not None:
                    return under_way.id
            hosts = alive_hosts(session, now=now) if host is None else [host]
            preflight = preflights.begin(session, source, days=days, hosts=hosts, by=by, now=now)
            if host is None:
                preflights.have_done(session, preflight, by=by, now=now)
            preflight_id = preflight.id
    except SQLAlchemyError as error:
        detail = str(getattr(error, "orig", error)).splitlines()[0][:160]
        raise SyncError("LEDGER_UNWRITABLE", detail=detail) from error
    wrote = time.monotonic() - started
    with ledger.read() as session:
        workers = preflight_once.workers(session, now=clock())
    findings = [
        preflight_once.database(wrote),
        preflight_once.queue(installation.queue.probe),
        workers,
        preflight_once.executor(installation.registrations(clock())),
    ]
    with ledger.write() as session:
        preflights.record(
            session, preflight_id, preflights.EVERYWHERE, findings, by=by, now=clock()
        )
    return preflight_id
