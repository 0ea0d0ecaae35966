"""Telling the queue about due work: as many messages as there are idle workers for them."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime
from itertools import cycle, islice
from zoneinfo import ZoneInfo

from portal.ledger import Ledger
from portal.services.leases import alive_workers
from portal.services.offers import batches_with_due_work
from portal.tasks.queue import WorkQueue

_chance = random.SystemRandom()


def offer(ledger: Ledger, queue: WorkQueue, *, now: datetime, zone: ZoneInfo) -> int:
    """Offer the batches with due work to the idle workers; the number of messages.

    Those that the fewest workers are busy with come first, and chance decides among equals: so a
    batch of a million documents does not keep the others waiting for its end.

    Called after everything that makes work due and once a second by the agent, so a lost message
    or a dead worker costs a second and no document.

    :param zone: the time zone that people's windows are meant in
    """
    with ledger.read() as session:
        due = batches_with_due_work(session, now, zone)
        held = Counter(worker.batch_id for worker in alive_workers(session, now=now))
    room = max(held[None], 1) - queue.waiting()
    if not due or room <= 0:
        return 0
    _chance.shuffle(due)
    due.sort(key=lambda batch_id: held[batch_id])
    for batch_id in islice(cycle(due), room):
        queue.look_at_batch(batch_id)
    return room
