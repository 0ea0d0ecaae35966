"""The executor as a program uses it: one object that ties the parts together."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

import requests
from flask import Flask
from sqlalchemy.orm import Session

from . import endings, performing, runs
from .accepting import Acceptor
from .admins import AdminClient, plain_session
from .current import set_current
from .endpoints import Endpoints
from .handlers import JobHandler
from .ledger import Again, Ledger, Sessions, once
from .log_pages import LogPages
from .logs import conceal_by
from .models import RunInfo, utc_now
from .observing import Observer, observed
from .outbox import Outbox
from .protocol.inbound import LogQuery, Trigger
from .protocol.outbound import LogPage
from .registration import Registrar
from .retention import ForgetHook, Retention
from .run_book import RunBook
from .settings import ExecutorSettings
from .statuses import Cause
from .talking import Talking
from .upkeep import Upkeep

logger = logging.getLogger(__name__)

StopHook = Callable[[Session, RunInfo, Cause], None]


class Executor(RunBook):
    """An xxl-job executor whose runs, results and logs live in a database.

    Any number of processes may have one on the same database: web processes answer admins,
    workers perform runs, one or more agents tick.

    :param begin: opens a write transaction; called from several threads
    :param read: opens a session that only reads; called from several threads
    :param again: calls what writes, once more when that is known to have written nothing
    :param enqueue: tells a queue to have ``perform(run_id)`` called in a worker; the message may
        get lost or be doubled
    :param told: the runs the queue still holds messages about, None when it cannot say. With it a
        queue that lost everything costs a run 15 s; without it up to 5 minutes
    :param session: opens what admins are called by
    :param clock: the present, aware
    """

    def __init__(
        self,
        settings: ExecutorSettings,
        *,
        begin: Sessions,
        read: Sessions,
        enqueue: Callable[[int], None],
        again: Again = once,
        told: Callable[[], Collection[int] | None] = lambda: None,
        conceal: Callable[[str], str] = str,
        session: Callable[[], requests.Session] = plain_session,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings = settings
        conceal_by(conceal)
        self._observers: list[Observer] = []
        super().__init__(Ledger(observed(begin, self._observers), read, again), clock)
        self._enqueue = enqueue
        self.again = again
        self._hooks: list[StopHook] = []
        self._forget_hooks: list[ForgetHook] = []
        self._clients = [
            AdminClient(
                address,
                token=settings.outgoing_token,
                app_name=settings.app_name,
                session=session,
                protocol=settings.admin_protocol,
            )
            for address in settings.admin_addresses
        ]
        self._acceptor = Acceptor(self._ledger, self._accept)
        self._upkeep = Upkeep(self._ledger, stopped=self._call_hooks, offer=self._offer, told=told)
        self._retention = Retention(
            self._ledger,
            settings.log_retention,
            reports=bool(self._clients),
            forgotten=self._call_forget_hooks,
        )
        self._log_pages = LogPages(self._ledger, zone=settings.timezone, markup=settings.log_markup)
        self._outbox = Outbox(self._ledger, self._clients)
        self._registrar = Registrar(settings, self._ledger, self._clients)

    def init_app(self, app: Flask, *, prefix: str = "/xxl-job") -> None:
        """Serve admins below ``prefix``, import the handlers, and become the current executor.

        The executor answers before the application does: wrap ``app.wsgi_app`` in what rewrites
        addresses (such as ProxyFix) afterwards.
        """
        for module in self.settings.handler_modules:
            importlib.import_module(module)
        app.wsgi_app = Endpoints(app, self, prefix=prefix)  # type: ignore[method-assign]
        set_current(self)

    def on_kill(self, hook: StopHook) -> StopHook:
        """Have ``hook(session, run, cause)`` called for every run that is stopped from outside.

        That is by a kill, by its time limit, or by a later trigger that takes its place.

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

    def on_forget(self, hook: ForgetHook) -> ForgetHook:
        """Have ``hook(session, run_id)`` called in the transaction that deletes an old run."""
        self._forget_hooks.append(hook)
        return hook

    def now(self) -> datetime:
        """The present, by the executor's clock."""
        return self._clock()

    # What admins ask for.

    def accept(self, trigger: Trigger, handler: JobHandler) -> None:
        """Keep a trigger as a run and tell the queue, in this order; once for equal triggers.

        :raises TriggerRefused: if the block strategy says so, or too many runs wait already
        """
        accepted = self._acceptor.accept(trigger, handler)
        if accepted.is_queued:
            self._offer([accepted.run_id])

    def is_busy(self, job_id: int) -> bool:
        """Whether the job has a run that is queued, running or deferred."""
        with self._ledger.read() as session:
            return runs.is_busy(session, job_id)

    def kill(self, job_id: int) -> int:
        """End all unfinished runs of the job; returns how many there were."""
        with self._ledger.begin() as session:
            killed = endings.stop_job(session, job_id, Cause.KILL, self._clock())
            self._call_hooks(session, killed)
        return len(killed)

    def read_log(self, query: LogQuery) -> LogPage:
        """Lines of the newest run with the log id."""
        return self._log_pages.read(query, self._clock())

    # What the program does.

    def perform(
        self, run_id: int, *, worker: str, abandon: Callable[[], object] | None = None
    ) -> None:
        """Execute the run if it is its turn, then offer the job's next one to the queue.

        Idempotent, and safe to call for any id, twice at once, or never.

        :param worker: who executes, for the ledger
        :param abandon: ends this process at once, such as by ``os._exit``. Called from a thread
            when a handler that is not isolated goes on for ``stop_grace_seconds`` after its run
            was stopped. Without it the job stays occupied until the handler returns
        """
        performed = performing.perform(
            self._ledger,
            run_id,
            worker=worker,
            grace_seconds=self.settings.stop_grace_seconds,
            abandon=abandon,
            clock=self._clock,
        )
        if performed is not None:
            self._upkeep.offer_next([performed.job_id])

    def release(self, worker: str) -> None:
        """Take back at once what an earlier life of this worker held, instead of after its lease.

        :param worker: a name that nobody else can have at the same time
        """
        self._upkeep.release(worker, self._clock())

    def tick(self, now: datetime | None = None) -> None:
        """One step of the agent: what is due at this moment, and nothing when nothing is.

        Ends runs past their time limit, takes runs back from dead processes, offers queued runs
        again that nobody took, and forgets old ones. Talks with no admin, so it is short.
        """
        now = now or self._clock()
        self._upkeep.step(now)
        self._retention.step(now)

    def talk(self, now: datetime | None = None) -> None:
        """Register where it is due and deliver one batch of results; waits for slow admins.

        For a program with a loop of its own; :meth:`talking` does the same in threads.
        """
        now = now or self._clock()
        for client in self._clients:
            self._registrar.register_due(client, now)
        self._outbox.deliver_due(now)

    def talking(self) -> Talking:
        """Threads that register and deliver while the ``with`` block lasts, once a second."""
        return Talking(self._registrar, self._outbox, self._clients, self._clock)

    def leave(self) -> float:
        """Take the registration back, unless another agent lives on.

        Returns for how many seconds admins may go on calling, so that answering, performing and
        delivering should go on too.
        """
        taken_back = self._registrar.leave(self._clock())
        return self.settings.drain_seconds if taken_back else 0.0

    def finish(self, log_id: int, code: int, message: str) -> bool:
        """End the newest deferred run of ``log_id``; False if there is none (any more).

        Not to be called inside another write transaction: it opens its own.

        :param code: 200 for success, 502 for a timeout, any other for a failure
        """
        now = self._clock()
        ended = self._ledger.transact(
            lambda session: endings.finish(session, log_id, code=code, message=message, now=now)
        )
        if ended is not None:
            self._upkeep.offer_next([ended.job_id])
        return ended is not None

    def finish_run(self, run_id: int, code: int, message: str) -> bool:
        """:meth:`finish` for a run known by its own id, as :meth:`deferred_runs` gives it."""
        now = self._clock()
        ended = self._ledger.transact(
            lambda session: endings.finish_run(session, run_id, code=code, message=message, now=now)
        )
        if ended is not None:
            self._upkeep.offer_next([ended.job_id])
        return ended is not None

    def _accept(self, session: Session, trigger: Trigger, handler: JobHandler) -> runs.Accepted:
        accepted = runs.accept(
            session,
            trigger,
            resumable=handler.resumable,
            queue_limit=self.settings.queue_limit,
            now=self._clock(),
        )
        self._call_hooks(session, accepted.stopped)
        return accepted

    def _offer(self, run_ids: Iterable[int]) -> None:
        for run_id in run_ids:
            try:
                self._enqueue(run_id)
            except Exception:
                # The run is in the ledger; a tick offers it again when the queue is back.
                logger.exception("the queue could not be told of run %s", run_id)

    def _call_hooks(self, session: Session, stopped: Iterable[RunInfo]) -> None:
        for run in stopped:
            for hook in self._hooks:
                hook(session, run, Cause(run.cause or ""))

    def _call_forget_hooks(self, session: Session, run_id: int) -> None:
        for hook in self._forget_hooks:
            hook(session, run_id)
