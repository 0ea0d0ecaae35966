"""How our processes hang together: a child dies with its parent, a slot has one owner."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        sys.exit(1)


class WorkerSlot:
    """A numbered place for one worker process in a home, held for the life of the process.

    Whoever holds the slot knows that every lease in the slot's name is from an earlier life. A
    process that is only stopped or frozen holds it still.

    :param kind: of the process; an agent and a pusher have such a place, too
    """

    def __init__(self, home: Path, kind: Literal["worker", "agent", "pusher"] = "worker") -> None:
        folder = _folder(home)
        folder.mkdir(parents=True, exist_ok=True)
        number = 0
        while (lock := _lock(folder / f"{kind}-{number}.lock")) is None:
            number += 1
        self._lock = lock
        self.name = f"{_prefix(home)}{'' if kind == 'worker' else kind}{number}"

    def close(self) -> None:
        """Leave the slot, as the kernel does for a process that dies."""
        self._lock.close()


def worker_slots(home: Path) -> list[str]:
    """The names of all slots the home ever had."""
    return [f"{_prefix(home)}{_number(file)}" for file in _folder(home).glob("worker-*.lock")]


@contextlib.contextmanager
def held_if_dead(home: Path, name: str) -> Iterator[bool]:
    """Whether no process holds the slot; inside the block none can take it."""
    lock = _lock(_folder(home) / f"worker-{name.removeprefix(_prefix(home))}.lock")
    if lock is None:
        yield False
        return
    with lock:
        yield True


def _folder(home: Path) -> Path:
    return home / "run"


def _prefix(home: Path) -> str:
    """Of the names of this home's slots: no other host's, even when it was made from an image of
    this one and has its host name.
    """
    place = "".join((str(home.resolve()), _kept_id(home), _machine_id()))
    return f"{socket.gethostname()[:60]}.{hashlib.sha256(place.encode()).hexdigest()[:6]}."


def _kept_id(home: Path) -> str:
    """A random word that is made once for a home."""
    path = _folder(home) / "id"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"id.{secrets.token_hex(8)}")
        draft.write_text(secrets.token_hex(8))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text()


def _machine_id() -> str:
    """What the system calls this machine; empty where it has no such file."""
    try:
        return Path("/etc/machine-id").read_text()
    except OSError:
        return ""


def _number(file: Path) -> str:
    return file.stem.removeprefix("worker-")


def _lock(path: Path) -> IO[str] | None:
    """The file, locked until it is closed; None when another process has it."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
