"""The process between a worker and an isolated handler: it sees to it that nothing is left.

``python -m executor.isolation.guardian FD``: an order and commands come on standard input, messages
leave through FD.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

from executor.isolation.messages import KILL, Order, Speaker

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run one handler to its end, or to the worker's."""
    outlet = int(sys.argv[1])
    os.set_inheritable(outlet, False)
    speaker = Speaker(outlet)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; the worker decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    commands = _Commands()
    line = commands.next_line()
    if not line:
        return  # the worker died before it said anything
    order = Order.from_line(line)
    guardian = os.getpid()
    handler = os.fork()
    if handler == 0:
        _be_handler(order, speaker, guardian)
    status = _watch(handler, commands)
    end_descendants()
    speaker.say("ended", status=status)


class _Commands:
    """Lines from the worker; an empty one is its death."""

    def __init__(self) -> None:
        self._data = b""

    def next_line(self) -> bytes:
        while b"\n" not in self._data:
            data = os.read(0, 65536)
            if not data:
                return b""
            self._data += data
        line, _, self._data = self._data.partition(b"\n")
        return line + b"\n"


def _be_handler(order: Order, speaker: Speaker, guardian: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guardian:
        os._exit(1)  # it died before the kernel was told
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the context takes it for its sign
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        from executor.isolation.child import run  # noqa: PLC0415 - only here is it needed

        run(order, speaker)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _watch(handler: int, commands: _Commands) -> int:
    """Wait for the handler, obeying the worker; returns how it ended, as ``waitpid`` has it."""
    ended = os.pidfd_open(handler)
    try:
        while True:
            ready, _, _ = select.select([0, ended], [], [])
            if ended in ready:
                return os.waitpid(handler, 0)[1]
            line = commands.next_line()
            if line in (b"", KILL):
                os.kill(handler, signal.SIGKILL)
                return os.waitpid(handler, 0)[1]
            os.kill(handler, signal.SIGTERM)
    finally:
        os.close(ended)


def end_descendants() -> None:
    """Kill all that is left below this process; who loses their parent becomes our child."""
    while True:
        for child in _children():
            os.kill(child, signal.SIGKILL)
        try:
            reaped, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not reaped:
            time.sleep(0.01)


def _children() -> list[int]:
    # A child keeps its number until we have waited for it, so no stranger can have it.
    mine = str(os.getpid())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text("latin-1").rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            if fields[1] == mine:
                found.append(int(entry.name))
    return found


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value)


if __name__ == "__main__":
    main()
