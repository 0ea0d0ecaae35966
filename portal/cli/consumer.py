"""One worker process: a Huey consumer with a single thread, and the heart beside it."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal.cli.key_watch import KeyWatch
from portal.cli.schema_watch import SchemaWatch
from portal.logs import context
from portal.models import utc_now
from portal.processes import WorkerSlot
from portal.runtime import Portal
from portal.services import beats, leases
from portal.tasks.audit_checking import AuditChecking
from portal.tasks.cleaning import clean_slot
from portal.tasks.mover import Mover

logger = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
ABANDONED_EXIT = 70
"""Of a worker that ended itself because a job handler did not stop."""


def consume(portal: Portal, slot: WorkerSlot) -> None:
    """Take messages until SIGTERM; what an earlier life of this slot left is freed first."""
    portal.ledger.origin = lambda: slot.name
    clean_slot(portal.ledger, portal.archive, slot.name, now=utc_now())
    portal.executor.release(slot.name)
    heart = _Heart(portal, slot.name)
    mover = Mover(
        ledger=portal.ledger,
        archive=portal.archive,
        queue=portal.queue,
        box=portal.box,
        home=portal.settings.home,
        owner=slot.name,
        zone=portal.settings.timezone,
        stopping=lambda: bool(consumer.stop_flag.is_set()),
        on_busy=heart.set_busy,
    )
    checking = AuditChecking(
        portal.ledger,
        portal.seal_key,
        home=portal.settings.home,
        owner=slot.name,
        stopping=lambda: bool(consumer.stop_flag.is_set()),
    )
    app = current_app._get_current_object()  # type: ignore[attr-defined] # a proxy has it

    def perform(run_id: int) -> None:
        """In the consumer's thread, where handlers expect the application."""
        run = portal.executor.find_run(run_id)
        context.begin(**({} if run is None else {"job_log_id": run.log_id}))
        logger.info("looking at job run %d", run_id)
        with app.app_context():
            portal.executor.perform(run_id, worker=slot.name, abandon=_end_at_once)

    consumer = portal.queue.serve(
        on_start=mover.prepare, on_batch=mover.look, on_run=perform, on_audit=checking.look
    )
    heart.start()
    try:
        consumer.run()
    finally:
        heart.stop()
        mover.close()


def _end_at_once() -> None:
    """What this process held is free again as soon as the supervisor has started it anew."""
    os._exit(ABANDONED_EXIT)


class _Heart(threading.Thread):
    """Tells the ledger every two seconds that this worker is alive and what it works on."""

    def __init__(self, portal: Portal, owner: str) -> None:
        super().__init__(name="heart", daemon=True)
        self._portal = portal
        self._owner = owner
        self._batch_id: int | None = None
        self._wake = threading.Event()
        self._stopped = False

    def set_busy(self, batch_id: int | None) -> None:
        """Note what is worked on; it is in the ledger when this returns."""
        self._batch_id = batch_id
        self._beat()

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._wake.set()
        self.join()
        with suppress(SQLAlchemyError), self._portal.ledger.write() as session:
            beats.leave(session, "worker")

    def run(self) -> None:
        """Beat until stopped."""
        watch = SchemaWatch(self._portal.ledger)
        key_watch = KeyWatch(self._portal.ledger, self._portal.box.fingerprint)
        while not self._stopped:
            self._beat()
            watch.look()
            key_watch.look()
            self._wake.wait(BEAT_SECONDS)

    def _beat(self) -> None:
        """One beat; a ledger that is away for a while costs some, not the heart."""
        try:
            self._portal.ledger.transact(self._note_beat)
        except SQLAlchemyError:
            logger.exception("the worker could not say that it is alive")

    def _note_beat(self, session: Session) -> None:
        now = utc_now()
        leases.beat(session, self._owner, pid=os.getpid(), batch_id=self._batch_id, now=now)
        beats.beat(session, "worker", now=now)
