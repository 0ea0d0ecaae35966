"""A worker's side of an isolated handler: start it, pass its log on, stop it when it must."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from executor.isolation.messages import CANCEL, KILL, Listener, Order
from executor.outcomes import Outcome

logger = logging.getLogger(__name__)

LOOK_EVERY: Final = 0.5
"""Seconds between two questions whether the run was cancelled."""


def run_isolated(
    order: Order,
    *,
    log: Callable[[str], None],
    cancelled: Callable[[], bool],
    grace_seconds: float,
) -> Outcome:
    """Have the order carried out; when this returns or raises, nothing of it runs any more.

    :param cancelled: asked twice a second; once true, the handler is told, and killed when it has
        not ended after the grace
    :raises OSError: if no process can be started
    """
    with _Child(order) as child:
        outcome = None
        told_at: float | None = None
        while (messages := child.messages(LOOK_EVERY)) is not None:
            if lines := [message["text"] for message in messages if message["kind"] == "log"]:
                log("\n".join(lines))
            for message in messages:
                outcome = _outcome(message, outcome)
            if told_at is None and cancelled():
                told_at = time.monotonic()
                child.tell(CANCEL)
            elif told_at is not None and time.monotonic() - told_at >= grace_seconds:
                child.tell(KILL)
    return outcome or Outcome.failed("the handler's process could not start")


class _Child:
    """A guardian and the pipes to it."""

    def __init__(self, order: Order) -> None:
        self._listener = Listener()
        self._inlet, outlet = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "executor.isolation.guardian", str(outlet)],
                stdin=subprocess.PIPE,
                pass_fds=(outlet,),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, order.path))},
            )
        except OSError:
            os.close(self._inlet)
            raise
        finally:
            os.close(outlet)
        self.tell(order.as_line())

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_error: object) -> None:
        # A closed pipe is the guardian's sign to end everything, whatever happened here.
        try:
            self._stdin.close()
        except BrokenPipeError:
            logger.debug("the guardian had ended before")
        self._process.wait()
        os.close(self._inlet)

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    def tell(self, command: bytes) -> None:
        """Say something to the guardian; one that has ended needs no more."""
        try:
            os.write(self._stdin.fileno(), command)
        except BrokenPipeError:
            logger.debug("the guardian has ended")

    def messages(self, seconds: float) -> list[dict[str, Any]] | None:
        """What arrives within the time, maybe nothing; None at the end."""
        ready, _, _ = select.select([self._inlet], [], [], seconds)
        if not ready:
            return []
        data = os.read(self._inlet, 1 << 16)
        return self._listener.hear(data) if data else None


def _outcome(message: dict[str, Any], known: Outcome | None) -> Outcome | None:
    match message["kind"]:
        case "done":
            return Outcome.succeeded(message["text"])
        case "failed":
            return Outcome.failed(message["text"])
        case "deferred":
            return Outcome.deferred()
        case "ended" if known is None:
            return Outcome.failed(f"the handler's process ended by itself: {_how(message)}")
    return known


def _how(message: dict[str, Any]) -> str:
    status = message["status"]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit code {os.WEXITSTATUS(status)}"
