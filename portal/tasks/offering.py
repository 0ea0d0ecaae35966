"""Telling the queue about due work: as many messages as there are idle workers for them."""

from __future__ import annotations

from datetime import datetime
from itertools import cycle, islice

from portal.ledger import Ledger
from portal.services.leases import alive_workers
from portal.services.offers import batches_with_due_work
from portal.tasks.queue import WorkQueue


def offer(ledger: Ledger, queue: WorkQueue, *, now: datetime) -> int:
    """Offer the batches with due work in turn to the idle workers; the number of messages.

    Called after everything that makes work due and once a second by the agent, so a lost message
    or a dead worker costs a second and no document.
    """
    with ledger.read() as session:
        due = batches_with_due_work(session, now)
        idle = sum(worker.batch_id is None for worker in alive_workers(session, now=now))
    room = max(idle, 1) - queue.waiting()
    if not due or room <= 0:
        return 0
    for batch_id in islice(cycle(due), room):
        queue.look_at_batch(batch_id)
    return room
