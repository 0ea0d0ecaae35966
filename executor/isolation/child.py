"""Inside the process that runs an isolated handler."""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
from types import FrameType

from sqlalchemy.orm import Session

from executor.context import Deferred, JobContext
from executor.errors import ExecutorError, JobFailed
from executor.handlers import find_handler
from executor.isolation.messages import Order, Speaker
from executor.protocol import texts


class IsolatedContext(JobContext):
    """A run as its handler sees it from a process without a ledger."""

    def __init__(self, order: Order, speaker: Speaker) -> None:
        self._order = order
        self._speaker = speaker
        self._told = False
        signal.signal(signal.SIGTERM, self._note)

    @property
    def run_id(self) -> int:
        """See :class:`JobContext`."""
        return self._order.run_id

    @property
    def job_id(self) -> int:
        """See :class:`JobContext`."""
        return self._order.job_id

    @property
    def log_id(self) -> int:
        """See :class:`JobContext`."""
        return self._order.log_id

    @property
    def params(self) -> str:
        """See :class:`JobContext`."""
        return self._order.params

    @property
    def shard_index(self) -> int:
        """See :class:`JobContext`."""
        return self._order.shard_index

    @property
    def shard_total(self) -> int:
        """See :class:`JobContext`."""
        return self._order.shard_total

    def log(self, text: str) -> None:
        """Write to the job log, through the worker."""
        self._speaker.say("log", text=text)

    def cancelled(self) -> bool:
        """Whether the worker said that the handler should stop; costs nothing."""
        return self._told

    def hold(self, session: Session) -> bool:
        """Not to be had: another process's transaction cannot be held from here.

        :raises ExecutorError: always
        """
        raise ExecutorError("an isolated handler cannot hold its run")

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._told = True


def run(order: Order, speaker: Speaker) -> None:
    """Import the handler, call it, and say what came of it."""
    sys.path[:] = order.path
    context = IsolatedContext(order, speaker)
    try:
        importlib.import_module(order.module)
        handler = find_handler(order.handler)
        if handler is None:
            return speaker.say("failed", text=texts.unknown_handler(order.handler))
        message = handler.function(context)
    except JobFailed as failed:
        return speaker.say("failed", text=str(failed))
    except BaseException as error:
        traceback.print_exc()  # to the worker's own log; the admin gets one line
        return speaker.say("failed", text=f"{type(error).__name__}: {error}")
    if isinstance(message, Deferred):
        return speaker.say("deferred")
    return speaker.say("done", text=message or "")
