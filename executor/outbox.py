"""Results wait in the ledger until an admin has said 200 to them.

Several processes may deliver at once: a result is reserved before it is sent, so that it is never
on its way twice, and a reservation whose process died runs out. No call is begun that could
outlast the reservation, so a delivery that takes long prolongs it as it goes.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from . import parcels
from .admins import CALLBACK_SECONDS, AdminClient, AdminError, AdminUnreachable
from .ledger import Ledger
from .parcels import Parcel, Reservation

logger = logging.getLogger(__name__)

FIRST_WAIT: Final = timedelta(seconds=2)
LONGEST_WAIT: Final = timedelta(minutes=5)
SENDING_SECONDS: Final = 60.0
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
        reservation = self._ledger.transact(lambda session: parcels.reserve(session, now))
        watch = _Watch(self._ledger, reservation, now, self._monotonic)
        attempt = _Attempt(lambda batch: self._send(batch, watch), self._random.shuffle, watch)
        attempt.deliver(reservation.parcels)
        refused = [parcel for parcel in reservation.parcels if parcel not in attempt.taken]

        def give_back(session: Session) -> None:
            for parcel in attempt.taken:
                parcels.mark_delivered(session, reservation, parcel, now)
            for parcel in refused:
                wait = self._wait(parcel.attempts)
                parcels.put_off(session, reservation, parcel, now + wait)

        self._ledger.transact(give_back)
        self._tell_once(str(attempt.error) if refused else None)
        return len(attempt.taken)

    def _has_due(self, now: datetime) -> bool:
        with self._ledger.read() as session:
            return parcels.has_due(session, now)

    def _send(self, batch: Sequence[Parcel], watch: _Watch) -> None:
        """Send to the first admin that takes it; that one is asked first from then on."""
        problem: AdminError | None = None
        for client in list(self._clients):
            watch.before_call()
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


class _Watch:
    """Sees to it that the results stay this process's while they are sent."""

    def __init__(
        self,
        ledger: Ledger,
        reservation: Reservation,
        began_at: datetime,
        monotonic: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._reservation = reservation
        self._began_at = began_at
        self._monotonic = monotonic
        self._began = monotonic()

    def is_late(self) -> bool:
        """Whether what is left should wait for its next turn."""
        return self._monotonic() - self._began > SENDING_SECONDS

    def before_call(self) -> None:
        """Prolong the reservation if it could run out during a call.

        :raises AdminUnreachable: when it has run out, and the results are somebody else's
        """
        now = self._began_at + timedelta(seconds=self._monotonic() - self._began)
        if self._reservation.until - now > timedelta(seconds=CALLBACK_SECONDS):
            return
        until = now + parcels.RESERVED
        if not self._ledger.transact(
            lambda session: parcels.prolong(session, self._reservation, until)
        ):
            raise AdminUnreachable("the delivery took too long and is left to another agent")
        self._reservation.until = until


class _Attempt:
    """One batch on its way, taken apart when it is refused, to find out which result it is."""

    def __init__(
        self,
        send: Callable[[Sequence[Parcel]], None],
        shuffle: Callable[[list[Parcel]], None],
        watch: _Watch,
    ) -> None:
        self._send = send
        self._shuffle = shuffle
        self._watch = watch
        self._refused_alone = 0
        self._is_over = False
        self.taken: list[Parcel] = []
        self.error: AdminError | None = None

    def deliver(self, batch: list[Parcel]) -> None:
        """Deliver what can be; the rest is what is not in :attr:`taken` afterwards."""
        if not batch or self._is_over or self._watch.is_late():
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
