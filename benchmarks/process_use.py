"""What the processes of a contestant used: CPU seconds and peak memory, as Linux counts them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One process at one moment; ``cpu`` in seconds includes children that it has waited for."""

    pid: int
    command: str
    cpu: float
    peak_mb: float


def look(pids: Iterable[int]) -> list[Process]:
    """The living ones among these processes."""
    seen = (_look(pid) for pid in pids)
    return [process for process in seen if process is not None]


def cpu_of(processes: Iterable[Process]) -> float:
    """CPU seconds of all of them."""
    return sum(process.cpu for process in processes)


def machine_cpu() -> float:
    """CPU seconds that everything on this machine has used, of all cores together."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / _TICKS


def _look(pid: int) -> Process | None:
    place = Path("/proc") / str(pid)
    try:
        fields = (place / "stat").read_text().rpartition(")")[2].split()
        status = (place / "status").read_text()
        command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return None
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), "0")
    # utime, stime, cutime and cstime are the 14th to 17th field of stat(5).
    return Process(pid, command, sum(map(int, fields[11:15])) / _TICKS, int(peak) / 1024)
