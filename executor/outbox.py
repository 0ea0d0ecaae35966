"""Results wait in the ledger until an admin has said 200 to them.

Several processes may deliver at once: a result is reserved before it is sent, so that it is never
on its way twice, and a reservation whose process died runs out.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from .admins import AdminClient, AdminError
from .changes import rows_changed
from .ledger import Ledger
from .models import ExecutorRun
from .protocol.outbound import Result

logger = logging.getLogger(__name__)

BATCH: Final = 50
"""Results in one callback; Java's own bound."""
RESERVED: Final = timedelta(minutes=2)
"""Longer than a delivery to several hanging admins takes."""
FIRST_WAIT: Final = timedelta(seconds=2)
LONGEST_WAIT: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class _Parcel:
    run_id: int
    attempts: int
    reserved_until: datetime
    result: Result


class Outbox:
    """Delivers results to the first admin that takes them; all admins share one database."""

    def __init__(
        self,
        ledger: Ledger,
        clients: Sequence[AdminClient],
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ledger = ledger
        self._clients = clients
        self._jitter = jitter
        self._problem: str | None = None

    def deliver_due(self, now: datetime) -> int:
        """Send one batch of the results that are due; returns how many were taken.

        Without an admin nothing is sent, and the results stay as they are.
        """
        if not self._clients or not self._has_due(now):
            return 0
        with self._ledger.begin() as session:
            parcels = _reserve(session, now)
        if not parcels:
            return 0
        try:
            self._send([parcel.result for parcel in parcels])
        except AdminError as error:
            self._tell_once(str(error))
            self._put_off(parcels, now)
            return 0
        self._problem = None
        self._mark_delivered(parcels, now)
        return len(parcels)

    def _tell_once(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("results wait, no admin took them: %s", problem)
        self._problem = problem

    def _has_due(self, now: datetime) -> bool:
        with self._ledger.read() as session:
            due = select(ExecutorRun.id).where(ExecutorRun.next_delivery_at <= now).limit(1)
            return session.scalars(due).first() is not None

    def _send(self, results: list[Result]) -> None:
        for client in self._clients[:-1]:
            try:
                return client.callback(results)
            except AdminError as error:
                logger.info("trying the next admin: %s", error)
        return self._clients[-1].callback(results)

    def _mark_delivered(self, parcels: list[_Parcel], now: datetime) -> None:
        with self._ledger.begin() as session:
            for parcel in parcels:
                rows_changed(
                    session,
                    _reserved(parcel).values(delivered_at=now, next_delivery_at=None),
                )

    def _put_off(self, parcels: list[_Parcel], now: datetime) -> None:
        with self._ledger.begin() as session:
            for parcel in parcels:
                rows_changed(
                    session,
                    _reserved(parcel).values(
                        next_delivery_at=now + self._wait(parcel.attempts),
                        delivery_attempts=parcel.attempts + 1,
                    ),
                )

    def _wait(self, attempts: int) -> timedelta:
        longest = min(LONGEST_WAIT, FIRST_WAIT * (1 << min(attempts, 16)))
        return longest * (0.5 + self._jitter() / 2)


def _reserve(session: Session, now: datetime) -> list[_Parcel]:
    until = now + RESERVED
    due = session.scalars(
        select(ExecutorRun)
        .where(ExecutorRun.next_delivery_at <= now)
        .order_by(ExecutorRun.next_delivery_at, ExecutorRun.id)
        .limit(BATCH)
    ).all()
    parcels: dict[int, _Parcel] = {}
    for run in due:
        # Of two runs that share a log id one waits: the admin does not lock between them.
        if run.log_id not in parcels and _is_reserved_now(session, run, until):
            parcels[run.log_id] = _parcel(run, until)
    return list(parcels.values())


def _is_reserved_now(session: Session, run: ExecutorRun, until: datetime) -> bool:
    statement = update(ExecutorRun).where(
        ExecutorRun.id == run.id, ExecutorRun.next_delivery_at == run.next_delivery_at
    )
    return rows_changed(session, statement.values(next_delivery_at=until)) == 1


def _parcel(run: ExecutorRun, until: datetime) -> _Parcel:
    result = Result(run.log_id, run.log_date_time, run.handle_code or 0, run.handle_message or "")
    return _Parcel(run.id, run.delivery_attempts, until, result)


def _reserved(parcel: _Parcel) -> Update:
    # A reservation that ran out may be somebody else's by now; then this changes nothing.
    return update(ExecutorRun).where(
        ExecutorRun.id == parcel.run_id, ExecutorRun.next_delivery_at == parcel.reserved_until
    )
