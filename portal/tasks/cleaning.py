"""Cleaning up behind workers that have died: their leases, their stages, their folders."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from portal.ledger import Ledger
from portal.models import Worker
from portal.processes import held_if_dead, worker_slots
from portal.services import leases, source_copies
from portal.services.sweeping import suspects, sweep_documents
from portal.sync.archive.base import Archive

logger = logging.getLogger(__name__)

# A worker of another host, whose slot cannot be tried, counts as dead after this. One that wakes
# up later finds its stage gone, fails on it, and the fence keeps it from recording anything else.
_GONE = timedelta(minutes=10)
# How many documents are looked at in a step; where each look is a request, few.
_LOOKS, _DEAR_LOOKS = 500, 20
_TIDY = timedelta(hours=1)


class Cleaner:
    """The agent's view of the dead; remembers how far it has looked through the documents."""

    def __init__(self, ledger: Ledger, archive: Archive, home: Path) -> None:
        self._ledger = ledger
        self._archive = archive
        self._home = home
        self._after = 0
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
                    with self._ledger.write() as session:
                        leases.bury(session, slot)
        for owner in owners - slots:
            seen_at = known.get(owner)
            if seen_at is not None and abs(now - seen_at) > _GONE:
                self._archive.sweep(owner)
        most = _LOOKS if self._archive.looks_are_cheap else _DEAR_LOOKS
        with self._ledger.read() as session:
            ids, self._after = suspects(session, self._after, most=most)
        sweep_documents(self._ledger, self._archive, ids, now=now)
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY
            if removed := self._archive.tidy(now):
                logger.info("removed %d things that were left unfinished in the archive", removed)

    def _known(self) -> dict[str, datetime]:
        """When each worker was last seen."""
        with self._ledger.read() as session:
            return {worker.name: worker.seen_at for worker in session.query(Worker)}


def clean_slot(ledger: Ledger, archive: Archive, slot: str, *, now: datetime) -> None:
    """Remove and free what an earlier life of the slot left; only its one owner may ask."""
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
