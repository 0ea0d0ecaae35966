"""What must happen to the runs by themselves, a step at a time; it looks before it writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from . import claims, clock_steps, endings, runs
from .ledger import Ledger
from .models import RunInfo


class Upkeep:
    """The agent's work on the ledger: an idle step takes no write lock.

    :param stopped: called in the transaction that ends runs
    :param offer: tells the queue of runs
    :param told: the runs it still holds messages about, None when it cannot say
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        stopped: Callable[[Session, Iterable[RunInfo]], None],
        offer: Callable[[Iterable[int]], None],
        told: Callable[[], Collection[int] | None],
    ) -> None:
        self._ledger = ledger
        self._stopped = stopped
        self._offer = offer
        self._told = told

    def step(self, now: datetime) -> None:
        """End what is past its time, take back from the dead, offer again what nobody took.

        Before that, draw back what waits too long because the clock was put back.
        """
        self._draw_back(now)
        self._time_out(now)
        self._reap(now)
        self._offer_unnoticed(now)

    def release(self, worker: str, now: datetime) -> None:
        """Take back at once what a worker held that is known to be dead."""
        with self._ledger.read() as session:
            held = claims.held_by(session, worker)
        for run_id in held:
            self._reap_one(run_id, now, of_worker=worker)

    def offer_next(self, job_ids: Iterable[int]) -> None:
        """Tell the queue of the runs of these jobs whose turn it is."""
        with self._ledger.read() as session:
            found = [runs.next_of_job(session, job_id) for job_id in job_ids]
        self._offer(run_id for run_ids in found for run_id in run_ids)

    def _draw_back(self, now: datetime) -> None:
        with self._ledger.read() as session:
            if not clock_steps.has_impossible_waits(session, now):
                return
        self._ledger.transact(lambda session: clock_steps.draw_back(session, now))

    def _time_out(self, now: datetime) -> None:
        with self._ledger.read() as session:
            if not endings.has_overdue(session, now):
                return

        def time_out(session: Session) -> list[RunInfo]:
            ended = endings.time_out(session, now)
            self._stopped(session, ended)
            return ended

        ended = self._ledger.transact(time_out)
        self.offer_next({run.job_id for run in ended})

    def _reap(self, now: datetime) -> None:
        with self._ledger.read() as session:
            dead = claims.dead(session, now)
        for run_id in dead:
            self._reap_one(run_id, now)

    def _reap_one(self, run_id: int, now: datetime, *, of_worker: str | None = None) -> None:
        job_id = self._ledger.transact(
            lambda session: claims.reap(session, run_id, now, of_worker=of_worker)
        )
        if job_id is not None:
            self.offer_next([job_id])

    def _offer_unnoticed(self, now: datetime) -> None:
        with self._ledger.read() as session:
            waiting = runs.unnoticed(session, now)
        if not waiting:
            return
        told = self._told()
        run_ids = [
            one.run_id
            for one in waiting
            if (one.for_long if told is None else one.run_id not in told)
        ]
        if run_ids:
            self._ledger.transact(lambda session: runs.mark_offered(session, run_ids, now))
            self._offer(run_ids)
