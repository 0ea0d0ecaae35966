"""The executor as a program uses it: one object that ties the parts together."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from flask import Blueprint, Flask
from sqlalchemy.orm import Session

from . import changes, claims, clock_steps, endings, logs, performing, runs
from .admins import AdminClient
from .blueprint import create_blueprint
from .current import set_current
from .errors import UnknownRun
from .handlers import JobHandler
from .ledger import Ledger, Sessions
from .models import RunInfo, utc_now
from .observing import Observer, observed
from .outbox import Outbox
from .protocol.inbound import LogQuery, Trigger
from .protocol.outbound import LogPage
from .registration import Registrar
from .settings import ExecutorSettings

logger = logging.getLogger(__name__)

StopHook = Callable[[Session, RunInfo, endings.Cause], None]


class Executor:
    """An xxl-job executor whose runs, results and logs live in a database.

    Any number of processes may have one on the same database: web processes answer admins,
    workers perform runs, one or more agents tick.

    :param begin: opens a write transaction; called from several threads
    :param read: opens a session that only reads; called from several threads
    :param enqueue: tells a queue to have ``perform(run_id)`` called in a worker; the message may
        get lost or be doubled
    :param clock: the present, aware
    """

    def __init__(
        self,
        settings: ExecutorSettings,
        *,
        begin: Sessions,
        read: Sessions,
        enqueue: Callable[[int], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings = settings
        self._observers: list[Observer] = []
        self._ledger = Ledger(observed(begin, self._observers), read)
        self._enqueue = enqueue
        self._clock = clock
        self._hooks: list[StopHook] = []
        clients = [
            AdminClient(address, token=settings.outgoing_token)
            for address in settings.admin_addresses
        ]
        self._outbox = Outbox(self._ledger, clients)
        self._registrar = Registrar(settings, self._ledger, clients)

    def init_app(self, app: Flask, *, prefix: str = "/xxl-job") -> Blueprint:
        """Serve admins below ``prefix``, import the handlers, and become the current executor.

        Returns the blueprint, for an application that exempts it from checks made for people.
        """
        for module in self.settings.handler_modules:
            importlib.import_module(module)
        blueprint = create_blueprint(self, prefix=prefix)
        app.register_blueprint(blueprint)
        set_current(self)
        return blueprint

    def on_kill(self, hook: StopHook) -> StopHook:
        """Have ``hook(session, run, cause)`` called for every run ended by kill or timeout.

        It is called in the transaction that ends the run: what it writes is kept or lost with
        the end, and an exception in it prevents both.
        """
        self._hooks.append(hook)
        return hook

    def observe(self, observer: Observer) -> None:
        """Have ``observer(session, run, moment)`` called when a run is accepted and when it ends.

        It is called in the transaction that writes it, under the same terms as :meth:`on_kill`.
        """
        self._observers.append(observer)

    # What admins ask for.

    def accept(self, trigger: Trigger, handler: JobHandler) -> None:
        """Keep a trigger as a run and tell the queue, in this order; once for equal triggers.

        :raises TriggerRefused: if the block strategy says so
        """
        with self._ledger.begin() as session:
            accepted = runs.accept(session, trigger, resumable=handler.resumable, now=self._clock())
        if accepted.is_queued:
            self._offer([accepted.run_id])

    def is_busy(self, job_id: int) -> bool:
        """Whether the job has a run that is queued, running or deferred."""
        with self._ledger.read() as session:
            return runs.is_busy(session, job_id)

    def kill(self, job_id: int) -> int:
        """End all unfinished runs of the job; returns how many there were."""
        with self._ledger.begin() as session:
            killed = endings.kill_job(session, job_id, self._clock())
            self._call_hooks(session, killed, "kill")
        return len(killed)

    def read_log(self, query: LogQuery) -> LogPage:
        """Lines of the newest run with the log id."""
        with self._ledger.read() as session:
            return logs.read(session, query, zone=self.settings.timezone)

    # What the program does.

    def perform(self, run_id: int, *, worker: str) -> None:
        """Execute the run if it is its turn, then offer the job's next one to the queue.

        Idempotent, and safe to call for any id, twice at once, or never.

        :param worker: who executes, for the ledger
        """
        performed = performing.perform(self._ledger, run_id, worker=worker, clock=self._clock)
        if performed is not None:
            self._offer_next([performed.job_id])

    def tick(self, now: datetime | None = None) -> None:
        """One step of the agent: what is due at this moment, and nothing when nothing is.

        Draws back what waits too long because the clock was put back, ends runs past their time
        limit, takes runs back from dead processes, offers queued runs again that nobody took,
        registers, and delivers one batch of results.
        """
        now = now or self._clock()
        self._draw_back(now)
        self._time_out(now)
        self._reap(now)
        self._offer_unnoticed(now)
        self._registrar.register_due(now)
        self._outbox.deliver_due(now)

    def finish(self, log_id: int, code: int, message: str) -> bool:
        """End the newest deferred run of ``log_id``; False if there is none (any more).

        Not to be called inside another write transaction: it opens its own.

        :param code: 200 for success, 502 for a timeout, any other for a failure
        """
        with self._ledger.begin() as session:
            ended = endings.finish(session, log_id, code=code, message=message, now=self._clock())
        if ended is not None:
            self._offer_next([ended.job_id])
        return ended is not None

    def finish_run(self, run_id: int, code: int, message: str) -> bool:
        """:meth:`finish` for a run known by its own id, as :meth:`deferred_runs` gives it."""
        with self._ledger.begin() as session:
            ended = endings.finish_run(
                session, run_id, code=code, message=message, now=self._clock()
            )
        if ended is not None:
            self._offer_next([ended.job_id])
        return ended is not None

    def append_run_log(self, run_id: int, text: str) -> None:
        """Write to the log of a run known by its own id; in a transaction of its own."""
        with self._ledger.begin() as session:
            logs.append(session, run_id, text, now=self._clock())

    def append_log(self, log_id: int, text: str) -> None:
        """Write to the log of the newest run of ``log_id``; in a transaction of its own.

        :raises UnknownRun: if there is no such run
        """
        with self._ledger.begin() as session:
            run = changes.newest_of_log(session, log_id)
            if run is None:
                raise UnknownRun(f"no run has log id {log_id}")
            logs.append(session, run.id, text, now=self._clock())

    def newest_runs(self, *, before: int | None = None, limit: int = 50) -> list[RunInfo]:
        """Runs for a list, the newest first; ``before`` is the run id the last page ended with."""
        with self._ledger.read() as session:
            return runs.newest(session, before=before, limit=limit)

    def find_run(self, run_id: int) -> RunInfo | None:
        """One run, or None."""
        with self._ledger.read() as session:
            return runs.find(session, run_id)

    def log_lines(self, run_id: int, *, after: int = 0) -> Sequence[logs.LogLine]:
        """The lines of a run's log behind line ``after``, a bounded number of them."""
        with self._ledger.read() as session:
            return logs.lines_after(session, run_id, after)

    def deferred_runs(self) -> list[RunInfo]:
        """The runs that wait for :meth:`finish`, oldest first."""
        with self._ledger.read() as session:
            return runs.deferred(session)

    def close(self) -> None:
        """Stop cleanly: have the admins forget the registration."""
        self._registrar.remove()

    # The steps of a tick look before they write: an idle tick takes no write lock.

    def _draw_back(self, now: datetime) -> None:
        with self._ledger.read() as session:
            if not clock_steps.has_impossible_waits(session, now):
                return
        with self._ledger.begin() as session:
            clock_steps.draw_back(session, now)

    def _time_out(self, now: datetime) -> None:
        with self._ledger.read() as session:
            if not endings.has_overdue(session, now):
                return
        with self._ledger.begin() as session:
            ended = endings.time_out(session, now)
            self._call_hooks(session, ended, "timeout")
        self._offer_next({run.job_id for run in ended})

    def _reap(self, now: datetime) -> None:
        with self._ledger.read() as session:
            dead = claims.dead(session, now)
        for run_id in dead:
            with self._ledger.begin() as session:
                job_id = claims.reap(session, run_id, now)
            if job_id is not None:
                self._offer_next([job_id])

    def _offer_unnoticed(self, now: datetime) -> None:
        with self._ledger.read() as session:
            run_ids = runs.unnoticed(session, now)
        if run_ids:
            with self._ledger.begin() as session:
                runs.mark_offered(session, run_ids, now)
            self._offer(run_ids)

    def _offer_next(self, job_ids: Iterable[int]) -> None:
        with self._ledger.read() as session:
            found = [runs.next_of_job(session, job_id) for job_id in job_ids]
        self._offer(run_id for run_id in found if run_id is not None)

    def _offer(self, run_ids: Iterable[int]) -> None:
        for run_id in run_ids:
            try:
                self._enqueue(run_id)
            except Exception:
                # The run is in the ledger; a tick offers it again when the queue is back.
                logger.exception("the queue could not be told of run %s", run_id)

    def _call_hooks(self, session: Session, ended: list[RunInfo], cause: endings.Cause) -> None:
        for run in ended:
            for hook in self._hooks:
                hook(session, run, cause)
