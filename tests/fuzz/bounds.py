"""How much time and memory one case may take."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

#: Seconds of the clock for one case: what a child that checks a file is given.
SECONDS = 4.5
#: What a process may take beside what it has already: a little more than such a child has.
MEMORY = 320 * 1024 * 1024


class TooSlow(BaseException):
    """A case took too long; no ``except Exception`` of a parser holds it."""


@contextmanager
def bounded(seconds: float = SECONDS) -> Iterator[None]:
    """The time for one case.

    :raises TooSlow: when it is over
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def little_memory(more: int = MEMORY) -> Iterator[None]:
    """So much memory and no more for this process, which has its own limit back afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
