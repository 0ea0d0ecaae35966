"""The limits an inspector child puts on itself before it touches a file."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

from portal.processes import die_with_parent

#: Address space of a child, bytes. The interpreter and all readers take about 40 MiB of it, so
#: the resident set stays under 300 MB whatever a file asks for.
ADDRESS_SPACE = 272 * 1024 * 1024

#: What one decoded frame may take, bytes: the rest after interpreter, libraries and buffers.
FRAME_BYTES = 208 * 1024 * 1024


def is_worn() -> bool:
    """Whether this process has kept so much that a frame of the largest size no longer fits."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE") > ADDRESS_SPACE - FRAME_BYTES


def limit_self(parent: int) -> None:
    """Bound memory, forbid core dumps and writing files, and die with the process ``parent``.

    The kernel's parent-death signal follows the *thread* that started this process; so a pool
    belongs to a thread that lives as long as the pool.
    """
    for what, limit in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    # Ctrl-C goes to the whole foreground group, but the parent wants its answers to the end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent)
