"""Cleaning up behind workers that have died: their leases, their stages, their folders."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from portal.ledger import Ledger
from portal.models import Clerk, Worker
from portal.processes import held_if_dead, worker_slots
from portal.services import leases, source_copies
from portal.services.sweeping import suspects, sweep_documents
from portal.sync.archive.base import Archive

logger = logging.getLogger(__name__)

# Looks, three seconds apart, at which nothing was heard of a process of another host, whose slot
# cannot be tried: then it counts as dead. Twice the leases, so what it held is free by then. One
# that wakes up later finds its stage gone, fails on it, and the fence keeps it from recording
# anything else.
SILENT_LOOKS = 20
# How many documents are looked at in a step; where each look is a request, few.
_LOOKS, _DEAR_LOOKS = 500, 20
_TIDY = timedelta(hours=1)


class Cleaner:
    """The agent's view of the dead; remembers how far it has looked through the documents.

    Processes of other hosts are judged by whether their beats change, and by counting looks: so
    neither a clock that differs from ours, nor a ledger that was away for all, nor a pause of our
    own makes anybody dead.
    """

    def __init__(self, ledger: Ledger, archive: Archive, home: Path) -> None:
        self._ledger = ledger
        self._archive = archive
        self._home = home
        self._after = 0
        self._heard: dict[str, tuple[datetime | None, int]] = {}
        self._tidy_at = datetime.min.replace(tzinfo=UTC)

    def step(self, now: datetime) -> None:
        """Free what dead slots held, remove old copies, look at the next stretch of documents."""
        source_copies.sweep(self._home, now=now)
        known = self._known()
        slots = set(worker_slots(self._home))
        owners = set(self._archive.owners())
        for slot in slots & (known.keys() | owners):
            with held_if_dead(self._home, slot) as dead:
                if dead:
                    clean_slot(self._ledger, self._archive, slot, now=now)
                    self._bury(slot)
        for owner in self._silent(
            {name: known.get(name) for name in (known.keys() | owners) - slots}
        ):
            clean_slot(self._ledger, self._archive, owner, now=now)
            self._bury(owner)
        most = _LOOKS if self._archive.looks_are_cheap else _DEAR_LOOKS
        with self._ledger.read() as session:
            ids, self._after = suspects(session, self._after, most=most)
        sweep_documents(self._ledger, self._archive, ids, now=now)
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY
            if removed := self._archive.tidy(now):
                logger.info("removed %d things that were left unfinished in the archive", removed)

    def _bury(self, slot: str) -> None:
        self._ledger.transact(lambda session: leases.bury(session, slot))

    def _known(self) -> dict[str, datetime]:
        """When each worker and each clerk was last seen."""
        with self._ledger.read() as session:
            workers = {worker.name: worker.seen_at for worker in session.query(Worker)}
            return workers | {clerk.name: clerk.seen_at for clerk in session.query(Clerk)}

    def _silent(self, seen: Mapping[str, datetime | None]) -> list[str]:
        """Whose beat has not changed for so many looks in a row; told once."""
        heard = {}
        for name, seen_at in seen.items():
            before, looks = self._heard.get(name, (seen_at, 0))
            heard[name] = (seen_at, looks + 1 if seen_at == before else 0)
        dead = [name for name, (_, looks) in heard.items() if looks > SILENT_LOOKS]
        self._heard = {name: known for name, known in heard.items() if name not in dead}
        return dead


def clean_slot(ledger: Ledger, archive: Archive, slot: str, *, now: datetime) -> None:
    """Remove and free what an earlier life of the slot left, or a process that is dead.

    Of a living one it would take the work away, which the fence makes harmless.
    """
    stages = archive.sweep(slot)
    documents = leases.free_slot(ledger, slot, now=now)
    folders = 0
    for start in range(0, len(documents), 500):
        folders += sweep_documents(ledger, archive, documents[start : start + 500], now=now)
    if stages or documents:
        logger.info(
            "cleaned up behind %s: %d documents freed, %d stages and %d folders removed",
            *(slot, len(documents), stages, folders),
        )
