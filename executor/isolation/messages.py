"""What worker and child say to each other: an order in, then JSON lines out."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass
from typing import Any, Final

CANCEL: Final = b"cancel\n"
"""To the guardian: tell the handler that it should stop."""
KILL: Final = b"kill\n"
"""To the guardian: end the handler and everything it started."""


@dataclass(frozen=True)
class Order:
    """What a child needs to know to run a handler."""

    module: str
    """Imported by the child; registers the handler."""
    handler: str
    path: tuple[str, ...]
    """Where modules are found, as the worker finds them."""
    run_id: int
    job_id: int
    log_id: int
    params: str
    shard_index: int
    shard_total: int

    def as_line(self) -> bytes:
        """For the guardian's standard input."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Order:
        """The other end."""
        fields = json.loads(line)
        return cls(**{**fields, "path": tuple(fields["path"])})


class Speaker:
    """Sends messages to the worker, from any thread."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def say(self, kind: str, **fields: Any) -> None:
        """Send one; waits while the worker is slow.

        :raises OSError: when the worker is gone
        """
        line = json.dumps({"kind": kind, **fields}).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._fd, line) :]


class Listener:
    """Cuts what arrives into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def hear(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]
