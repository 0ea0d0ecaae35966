"""The queue: it only says "look here", with an id; what is to be done stands in the ledger.

A message may come twice, late or never. So all tasks ask the ledger what is due, claim it there,
and do nothing when there is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from huey import SqliteHuey
from huey.consumer import Consumer

Look = Callable[[int], None]

# Polling is cheap on the queue's own SQLite file; ten seconds (Huey's default) would be felt.
_POLL_SECONDS = 0.05
_LONGEST_POLL_SECONDS = 0.5
_SHUTDOWN_SECONDS = 10
_PROBE = b"probe"


class WorkQueue:
    """Huey's queue with the three things it may say.

    A process that only tells others needs nothing more; a worker calls :meth:`serve` first.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What is lost with the power is told again by the agent, so nothing is fsynced here.
        self._huey = SqliteHuey("imgmig", filename=str(path), fsync=False, results=False)
        self._on_batch: Look | None = None
        self._on_run: Look | None = None
        self._on_audit: Look | None = None
        # Names are given, so that moving the code does not orphan what is queued.
        self._batch_task = self._huey.task(name="look_at_batch")(self._batch)
        self._run_task = self._huey.task(name="look_at_run", priority=10)(self._run)
        self._audit_task = self._huey.task(name="look_at_audit")(self._audit)

    def look_at_batch(self, batch_id: int) -> None:
        """Have some worker look at a batch."""
        self._batch_task(batch_id)

    def look_at_run(self, run_id: int) -> None:
        """Have some worker look at a job run; before all batches."""
        self._run_task(run_id)

    def look_at_audit(self, check_id: int) -> None:
        """Have some worker look at a verification of the trail."""
        self._audit_task(check_id)

    def waiting(self) -> int:
        """Messages nobody has taken yet."""
        return int(self._huey.pending_count())

    def probe(self) -> None:
        """Write a value and take it back.

        :raises sqlite3.Error: when that cannot be done
        """
        self._huey.storage.put_data(_PROBE, _PROBE)
        self._huey.storage.pop_data(_PROBE)

    def serve(self, *, on_batch: Look, on_run: Look, on_audit: Look) -> Consumer:
        """A consumer with one thread that takes messages; SIGTERM ends it after its task."""
        self._on_batch = on_batch
        self._on_run = on_run
        self._on_audit = on_audit
        return self._huey.create_consumer(
            workers=1,
            worker_type="thread",
            periodic=False,
            initial_delay=_POLL_SECONDS,
            max_delay=_LONGEST_POLL_SECONDS,
            graceful_signal="TERM",
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )

    def close(self) -> None:
        """Let go of the queue's file."""
        self._huey.storage.close()

    def _batch(self, batch_id: int) -> None:
        if self._on_batch is not None:
            self._on_batch(batch_id)

    def _run(self, run_id: int) -> None:
        if self._on_run is not None:
            self._on_run(run_id)

    def _audit(self, check_id: int) -> None:
        if self._on_audit is not None:
            self._on_audit(check_id)
