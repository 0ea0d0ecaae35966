"""A server that is killed in the middle, and comes back at the same address without its memory."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.kinds import postgresql, redis
from tests.servers.running import free_port

_KINDS = {"redis": redis, "postgresql": postgresql}


class Mortal:
    """One Redis or PostgreSQL of a test's own, by its name; not yet started."""

    def __init__(self, kind: str, place: Path) -> None:
        self._kind = _KINDS[kind]
        self._place = place
        self._lives = 0
        self._port = free_port()
        self._running = ExitStack()
        self.url = ""

    def start(self) -> None:
        """With nothing in it, whatever it had before."""
        self._lives += 1
        place = self._place / f"life-{self._lives}"
        place.mkdir(parents=True)
        for folder in (place, *place.parents):  # the server's own user has to pass
            if folder.stat().st_mode & 0o077 == 0:
                folder.chmod(0o711)
        server = self._kind(place, port=self._port, stop_with=signal.SIGKILL)
        if server is None:
            pytest.skip("this machine does not have the server")
        self.url = self._running.enter_context(server)

    def kill(self) -> None:
        """Every process of it at once."""
        self._running.close()
