"""The queue: it only says "look here", with an id; what is to be done stands in the ledger.

A message may come twice, late or never. So all tasks ask the ledger what is due, claim it there,
and do nothing when there is nothing. And nobody fails because the queue is away: what was to be
told is in the ledger, and the agent tells it again when the queue is back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from huey.consumer import Consumer

from portal.errors import SyncError
from portal.tasks.messages import Messages, OneConsumer, read_message

Look = Callable[[int], None]

# Polling is cheap on the queue's own SQLite file; ten seconds (Huey's default) would be felt.
_POLL_SECONDS = 0.05
_LONGEST_POLL_SECONDS = 0.5
_SHUTDOWN_SECONDS = 10
_PROBE = b"probe"
_BATCH, _RUN, _AUDIT = "look_at_batch", "look_at_run", "look_at_audit"


class WorkQueue:
    """Huey's queue with the three things it may say.

    A process that only tells others needs nothing more; a worker calls :meth:`serve` first.

    :param url: as the settings have it; a server is first asked when there is something to say
    :raises SettingsError: for a URL that its driver does not take
    """

    def __init__(self, url: str) -> None:
        self._huey = Messages(url, "imgmig")
        self._reach = self._huey.reach
        self._looks: dict[str, Look] = {}
        self._tasks = {
            word: self._task(word, priority=10 if word == _RUN else 0)
            for word in (_BATCH, _RUN, _AUDIT)
        }

    def look_at_batch(self, batch_id: int) -> None:
        """Have some worker look at a batch."""
        self._tell(_BATCH, batch_id)

    def look_at_run(self, run_id: int) -> None:
        """Have some worker look at a job run; before all batches."""
        self._tell(_RUN, run_id)

    def look_at_audit(self, check_id: int) -> None:
        """Have some worker look at a verification of the trail."""
        self._tell(_AUDIT, check_id)

    def waiting(self) -> int | None:
        """Messages nobody has taken yet; None while the queue is away."""
        with suppress(SyncError):
            return int(self._reach.ask(self._huey.storage.queue_size))
        return None

    def runs_told(self) -> set[int] | None:
        """The job runs that messages nobody has taken yet are about; None while it is away."""
        return self._told(_RUN)

    def audits_told(self) -> set[int] | None:
        """The same of verifications."""
        return self._told(_AUDIT)

    def probe(self) -> None:
        """Write a value and take it back.

        :raises SyncError: QUEUE_UNREACHABLE, QUEUE_UNWRITABLE
        """
        storage = self._huey.storage
        self._reach.ask(lambda: storage.put_data(_PROBE, _PROBE))
        self._reach.ask(lambda: storage.pop_data(_PROBE))

    def serve(
        self, *, on_start: Callable[[], None], on_batch: Look, on_run: Look, on_audit: Look
    ) -> Consumer:
        """A consumer with one thread that takes messages; SIGTERM ends it after its task.

        :param on_start: called first in that thread
        """
        self._huey.on_startup("prepare")(on_start)
        self._looks = {_BATCH: on_batch, _RUN: on_run, _AUDIT: on_audit}
        return OneConsumer(
            self._huey,
            workers=1,
            worker_type="thread",
            periodic=False,
            initial_delay=_POLL_SECONDS,
            max_delay=_LONGEST_POLL_SECONDS,
            graceful_signal="TERM",
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )

    def close(self) -> None:
        """Let go of the queue's file or server."""
        self._huey.storage.close()

    def _task(self, word: str, *, priority: int) -> Any:
        def look(number: int) -> None:
            if word in self._looks:
                self._looks[word](number)

        return self._huey.knows(word, self._huey.task(name=word, priority=priority)(look))

    def _tell(self, word: str, number: int) -> None:
        with suppress(SyncError):  # which the log has said
            self._reach.ask(lambda: self._tasks[word](number))

    def _told(self, word: str) -> set[int] | None:
        try:
            messages = self._reach.ask(self._huey.storage.enqueued_items)
        except SyncError:
            return None
        numbers = set()
        for message in messages:
            with suppress(ValueError):
                told, number = read_message(message)
                if told == word:
                    numbers.add(number)
        return numbers
