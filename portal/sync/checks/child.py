"""One inspector child as its pool sees it: a process, two pipes, a few files in hand."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO, Any, cast

from portal.sync.checks.inspection import OUT_OF_MEMORY, InspectionJob, jobs_line

#: How a process ends that was refused memory outside of Python: a library gives up.
_OUT_OF_MEMORY = frozenset({signal.SIGABRT, signal.SIGTRAP, signal.SIGILL})
#: Killed from outside: by a person, or by the kernel for want of memory elsewhere. Our own
#: limit of memory ends a child otherwise, so the file in its hand is not to blame.
KILLED = f"signal {int(signal.SIGKILL)}"

_READ_BYTES = 65536
_libc = ctypes.CDLL(None)


class InspectorChild:
    """A running inspector.

    :ivar busy: whether it was given files and has not answered
    :ivar deadline: monotonic seconds by which it must have said something, None while it is idle
    :ivar ready: whether it has said that it can work
    :raises OSError: if no process can be started
    """

    def __init__(self, deadline: float) -> None:
        self.busy = False
        self.deadline: float | None = deadline
        self.ready = False
        self._unread = b""
        self._given = 0
        self._computed_before = 0.0
        self._process = subprocess.Popen(  # noqa: S603 - our own program and process id
            [sys.executable, "-m", "portal.sync.checks.inspector", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._jobs = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)

    @property
    def idle(self) -> bool:
        """Whether it can be given files."""
        return self.ready and not self.busy

    @property
    def had_others(self) -> bool:
        """Whether it was given files before the last one."""
        return self._given > 1

    def fileno(self) -> int:
        """Readable when it has said something or has died."""
        return self._answers.fileno()

    def give(self, jobs: Sequence[InspectionJob], deadline: float) -> None:
        """Hand files over; one line fits the empty pipe, so this does not block.

        :raises BrokenPipeError: if the child is dead, which is not the files' fault
        """
        self._jobs.write(jobs_line(jobs))
        self.busy, self.deadline = True, deadline
        self._given += len(jobs)
        self._computed_before = self._computed()

    @property
    def computed(self) -> float:
        """Seconds of computing that what is in hand has taken so far."""
        return self._computed() - self._computed_before

    def hear(self) -> dict[str, Any] | None:
        """The next message if it is complete, when :meth:`fileno` is readable.

        :raises EOFError: if the child is dead
        """
        data = os.read(self.fileno(), _READ_BYTES)
        if not data:
            raise EOFError
        self._unread += data
        if not self._unread.endswith(b"\n"):
            return None
        message: dict[str, Any] = json.loads(self._unread)
        self._unread = b""
        return message

    def end(self) -> str:
        """Kill it if it still runs, free everything, and say in a few words how it ended."""
        self._process.kill()  # one that is already ending keeps its own reason
        code = self._process.wait()
        self._jobs.close()
        self._answers.close()
        if -code in _OUT_OF_MEMORY:
            return OUT_OF_MEMORY
        return f"signal {-code}" if code < 0 else f"exit {code}"

    def _computed(self) -> float:
        """Seconds of computing since it was started; 0 if it is dead."""
        clock = ctypes.c_int()
        if _libc.clock_getcpuclockid(self._process.pid, ctypes.byref(clock)):
            return 0.0
        try:
            return time.clock_gettime(clock.value)
        except OSError:
            return 0.0
