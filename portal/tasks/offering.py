"""Telling the queue about due work: as many messages as there are idle workers for them."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

from portal.ledger import Ledger
from portal.models import Priority
from portal.services.leases import alive_workers
from portal.services.offers import batches_with_due_work
from portal.tasks.queue import WorkQueue

_chance = random.SystemRandom()
# How the workers share themselves out between batches of different priority.
_WEIGHTS = {Priority.HIGH: 4, Priority.NORMAL: 2, Priority.LOW: 1}
# So often the priority is passed over: with a single worker a low batch would else never move.
_PASSED_OVER = 0.1


def offer(ledger: Ledger, queue: WorkQueue, *, now: datetime, zone: ZoneInfo) -> int:
    """Offer the batches with due work to the idle workers; the number of messages.

    Those that the fewest workers are busy with, for their priority, come first, and chance decides
    among equals: so a batch of a million documents does not keep the others waiting for its end.
    Of workers that batches of each priority compete for, high ones get four, normal ones two and
    low ones one; one message in ten is given regardless of priority, so that none waits for ever.

    Called after everything that makes work due and once a second by the agent, so a lost message,
    a dead worker or a queue that has lost everything costs a second and no document. However many
    call it, what waits already is counted, so messages do not pile up.

    :param zone: the time zone that people's windows are meant in
    """
    with ledger.read() as session:
        due = batches_with_due_work(session, now, zone)
        held = Counter(worker.batch_id for worker in alive_workers(session, now=now))
    waiting = queue.waiting()
    if not due or waiting is None:  # None: it is away
        return 0
    room = max(held[None], 1) - waiting
    for _ in range(room):
        regardless = _chance.random() < _PASSED_OVER
        weights = {batch_id: 1 if regardless else _WEIGHTS[due[batch_id]] for batch_id in due}
        chosen = min(due, key=lambda one: ((held[one] + 1) / weights[one], _chance.random()))
        held[chosen] += 1
        queue.look_at_batch(chosen)
    return max(room, 0)
