"""Keeps a few child processes running: starts them, starts them again, stops them all.

Children get a session of their own, so that Ctrl-C reaches only the supervisor, which stops them
in order; when the supervisor is killed, the kernel kills them (``--parent``).
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType

from portal.errors import PortalError

logger = logging.getLogger(__name__)

_STABLE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 30.0
STOP_SECONDS = 15.0
# A command that refuses to start (bad setting, port in use) says so with this; when that happens
# at its very first start, starting it again is no use.
REFUSED_EXIT = 2
# A busy machine takes its time to start a program that then refuses.
_REFUSAL_SECONDS = 30.0


class ChildRefused(PortalError):
    """A child process refused to start; it has said why."""


@dataclass(frozen=True, slots=True)
class Program:
    """One child: an ``imgmig`` command, and where its output goes (None: to the terminal).

    ``drain_seconds``: how long it may go on when it is asked to stop, while the others still run.
    """

    name: str
    arguments: Sequence[str]
    log: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    drain_seconds: float = 0.0


class Supervisor:
    """Runs programs until it is closed; to be used by the main thread only."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._children = [_Child(program) for program in programs]

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def poll(self) -> None:
        """Start what does not run, later and later when it keeps dying.

        :raises ChildRefused: when a child refused to start
        """
        for child in self._children:
            child.poll()

    def run_until_stopped(self) -> None:
        """Supervise until SIGINT or SIGTERM."""
        with StopSignals() as stop:
            while not stop.received:
                self.poll()
                time.sleep(0.2)

    def close(self) -> None:
        """Ask all to stop, the last started first, and kill those that do not.

        One that drains is waited for before the others, which it needs for that, are asked.
        """
        for child in reversed(self._children):
            if child.drain_seconds:
                child.signal(signal.SIGTERM)
                child.wait(child.drain_seconds + STOP_SECONDS)
        for child in reversed(self._children):
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in reversed(self._children):
            child.wait(max(0.0, deadline - time.monotonic()))


class StopSignals:
    """While active, SIGINT and SIGTERM are noted instead of ending the process.

    An exception raised by a signal may land where Python can only print it (a finaliser, a
    weak reference's callback) and be lost; a note cannot.
    """

    def __init__(self) -> None:
        self._number: int | None = None

    @property
    def received(self) -> bool:
        """Whether one has come."""
        return self._number is not None

    def obey(self) -> None:
        """End the program if one has come.

        :raises SystemExit: with the shell's code for a program ended by that signal
        """
        if self._number is not None:
            sys.exit(128 + self._number)

    def __enter__(self) -> StopSignals:
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._number = number


class _Child:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._started_at = 0.0
        self._pause = 0.5
        self._start_at = 0.0

    @property
    def drain_seconds(self) -> float:
        return self._program.drain_seconds

    def poll(self) -> None:
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._process = None
            # Later on a refusal may pass: a port that is not yet free after a kill, for one.
            stable = now - self._started_at > _STABLE_SECONDS
            is_young = now - self._started_at <= _REFUSAL_SECONDS
            if code == REFUSED_EXIT and self._starts == 1 and is_young:
                raise ChildRefused(
                    f"{self._program.name} 无法启动 refused to start{self._last_words()}"
                )
            self._pause = 0.5 if stable else min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
            self._start_at = now + (0.0 if stable else self._pause)
            logger.warning("%s ended with %s, starting it again", self._program.name, code)
        if now >= self._start_at:
            self._start(now)

    def signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self, now: float) -> None:
        self._starts += 1
        self._started_at = now
        log = self._program.log
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        output = None if log is None else log.open("ab")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*imgmig(), *self._program.arguments, "--parent", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **self._program.environment},
            )
        finally:
            if output is not None:
                output.close()

    def _last_words(self) -> str:
        """The last line the child wrote, when it went to a file and the user has not seen it."""
        if self._program.log is None:
            return ""
        lines = self._program.log.read_text("utf-8", "replace").splitlines()
        return f": {lines[-1]}" if lines else ""


def imgmig() -> list[str]:
    """How to call our own command: by its script, which shows its name in process lists."""
    script = Path(sys.executable).with_name("imgmig")
    if script.exists():
        return [sys.executable, str(script)]
    return [sys.executable, "-m", "portal.cli.main"]
