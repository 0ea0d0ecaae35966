"""Which process does a piece of work that a person started, so that its death is noticed."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

# A process of another host cannot be looked at: it counts as gone when it says nothing for long.
# It says something every few seconds, but reading one large file may take longer.
_SILENT = timedelta(minutes=2)


def this_runner() -> str:
    """This process: its host, its number, and when it began."""
    return f"{_place()}:{os.getpid()}:{_began(os.getpid())}"


def is_gone(runner: str, seen_at: datetime, now: datetime) -> bool:
    """Whether the process no longer lives.

    :param seen_at: when it last wrote that it does
    """
    place, pid, began = runner.rsplit(":", 2)
    if place != _place():
        return seen_at < now - _SILENT
    return began != _began(int(pid))


def _place() -> str:
    """Where process numbers mean what they mean here: this host since it was started, and its
    name space, as containers may have the same host name and the same numbers.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return f"{socket.gethostname()[:60]}/{boot}/{os.stat('/proc/self/ns/pid').st_ino}"


def _began(pid: int) -> str:
    """When the process began, in the kernel's ticks; empty when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name in brackets may hold anything
    return "" if fields[0] == "Z" else fields[19]
