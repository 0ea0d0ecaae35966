"""Results wait in the ledger until an admin has said 200 to them.

Several processes may deliver at once: a result is reserved before it is sent, so that it is never
on its way twice, and a reservation whose process died runs out.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from . import parcels
from .admins import AdminClient, AdminError, AdminUnreachable
from .ledger import Ledger
from .parcels import Parcel

logger = logging.getLogger(__name__)

FIRST_WAIT: Final = timedelta(seconds=2)
LONGEST_WAIT: Final = timedelta(minutes=5)
SENDING_SECONDS: Final = parcels.RESERVED.total_seconds() / 2
"""A batch that is still being taken apart after this waits for its next turn."""


class Outbox:
    """Delivers results to the first admin that takes them; all admins share one database."""

    def __init__(
        self,
        ledger: Ledger,
        clients: Sequence[AdminClient],
        *,
        random_: random.Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._clients = list(clients)
        self._random = random_ or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._monotonic = monotonic
        self._problem: str | None = None

    def deliver_due(self, now: datetime) -> int:
        """Send one batch of the results that are due; returns how many were taken.

        Without an admin nothing is sent, and the results stay as they are.
        """
        if not self._clients or not self._has_due(now):
            return 0
        with self._ledger.begin() as session:
            batch = parcels.reserve(session, now)
        until = self._monotonic() + SENDING_SECONDS
        attempt = _Attempt(self._send, self._random.shuffle, lambda: self._monotonic() > until)
        attempt.deliver(batch)
        refused = [parcel for parcel in batch if parcel not in attempt.taken]
        with self._ledger.begin() as session:
            for parcel in attempt.taken:
                parcels.mark_delivered(session, parcel, now)
            for parcel in refused:
                parcels.put_off(session, parcel, now + self._wait(parcel.attempts))
        self._tell_once(str(attempt.error) if refused else None)
        return len(attempt.taken)

    def _has_due(self, now: datetime) -> bool:
        with self._ledger.read() as session:
            return parcels.has_due(session, now)

    def _send(self, batch: Sequence[Parcel]) -> None:
        """Send to the first admin that takes it; that one is asked first from then on."""
        problem: AdminError | None = None
        for client in list(self._clients):
            try:
                client.callback([parcel.result for parcel in batch], batch[0].shape)
            except AdminError as error:
                # An answer says more than none: it may be about one of the results.
                if problem is None or isinstance(problem, AdminUnreachable):
                    problem = error
                continue
            self._clients.remove(client)
            self._clients.insert(0, client)
            return
        if problem is not None:
            raise problem

    def _tell_once(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            logger.warning("results wait, no admin took them: %s", problem)
        self._problem = problem

    def _wait(self, attempts: int) -> timedelta:
        longest = min(LONGEST_WAIT, FIRST_WAIT * (1 << min(attempts, 16)))
        return longest * (0.5 + self._random.random() / 2)


class _Attempt:
    """One batch on its way, taken apart when it is refused, to find out which result it is."""

    def __init__(
        self,
        send: Callable[[Sequence[Parcel]], None],
        shuffle: Callable[[list[Parcel]], None],
        is_late: Callable[[], bool],
    ) -> None:
        self._send = send
        self._shuffle = shuffle
        self._is_late = is_late
        self._refused_alone = 0
        self._is_over = False
        self.taken: list[Parcel] = []
        self.error: AdminError | None = None

    def deliver(self, batch: list[Parcel]) -> None:
        """Deliver what can be; the rest is what is not in :attr:`taken` afterwards."""
        if not batch or self._is_over or self._is_late():
            return
        try:
            self._send(batch)
        except AdminUnreachable as error:
            self.error = error
            self._is_over = True  # the halves would not fare better
        except AdminError as error:
            self.error = error
            self._take_apart(batch)
        else:
            self.taken.extend(batch)

    def _take_apart(self, batch: list[Parcel]) -> None:
        if len(batch) == 1:
            self._refused_alone += 1
            # Two refused alone and none taken: it is not about the results (a wrong token).
            self._is_over = self._refused_alone >= 2 and not self.taken
            return
        # Two that nobody takes must not stand before the others again and again.
        self._shuffle(batch)
        middle = len(batch) // 2
        self.deliver(batch[:middle])
        self.deliver(batch[middle:])
