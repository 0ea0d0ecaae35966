"""What a handler knows of its run, and what it may do to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy.orm import Session

from . import claims, logs
from .ledger import Ledger
from .models import RunInfo, utc_now

LOOK_EVERY: Final = 1.0
"""Seconds between two looks into the ledger for a cancellation."""


class Deferred(str):
    """What a handler returns when its run is ended later by :func:`executor.finish`."""

    __slots__ = ()


class JobContext:
    """The run a handler executes."""

    def __init__(
        self, run: RunInfo, ledger: Ledger, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._run = run
        self._ledger = ledger
        self._monotonic = monotonic
        self._looked_at: float | None = None
        self._cancelled = False

    @property
    def run_id(self) -> int:
        """The run's own row, unlike the log id unique whatever became of the admin's database."""
        return self._run.run_id

    @property
    def job_id(self) -> int:
        """The job in the admin; its runs are executed one after the other."""
        return self._run.job_id

    @property
    def log_id(self) -> int:
        """The admin's record of this run."""
        return self._run.log_id

    @property
    def params(self) -> str:
        """The job's parameter as typed in the admin; may be empty."""
        return self._run.params

    @property
    def shard_index(self) -> int:
        """Which part of a sharding broadcast this is, from 0; 0 when it is none."""
        return self._run.shard_index

    @property
    def shard_total(self) -> int:
        """How many parts the sharding broadcast has; 1 when it is none."""
        return self._run.shard_total

    def log(self, text: str) -> None:
        """Write to the job log, which the admin's page shows; visible at once."""
        now = utc_now()
        self._ledger.transact(lambda session: logs.append(session, self.run_id, text, now=now))

    def cancelled(self) -> bool:
        """Whether the run was killed, timed out or taken over, so that the handler should stop.

        Cheap enough for a loop: looks into the ledger once a second at most.
        """
        now = self._monotonic()
        due = self._looked_at is None or now - self._looked_at >= LOOK_EVERY
        if due and not self._cancelled:
            with self._ledger.read() as session:
                self._cancelled = not claims.is_current(session, self._run)
            self._looked_at = now
        return self._cancelled

    def hold(self, session: Session) -> bool:
        """Whether the run is still this handler's, asked in the transaction that acts on it.

        A kill or a timeout then waits for that transaction's end and sees what it wrote.
        """
        return claims.hold(session, self._run)

    def defer(self) -> Deferred:
        """To be returned by a handler whose run goes on without it.

        The run stays open, and its job busy, until :func:`executor.finish` ends it.
        """
        return Deferred()
