"""Connections to a real server that are really broken: killed by the server, or cut on the way."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, event, make_url

from tests.portal.ledger_scene import engine_of

# And not the level of isolation.
_COMMIT = re.compile(rb"COMMIT(?!TED)")


@contextmanager
def killed_at(engine: Engine, statement_no: int) -> Iterator[list[str]]:
    """While it lasts, the server ends the connection of the engine's so manieth statement.

    It ends before the statement is sent. What comes back are all statements that were begun.
    """
    seen: list[str] = []
    killer = engine_of(_url(engine))

    def watch(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)
        if len(seen) == statement_no:
            _kill(killer, connection)

    event.listen(engine, "before_cursor_execute", watch)
    yield seen
    event.remove(engine, "before_cursor_execute", watch)
    killer.dispose()


def _url(engine: Engine) -> str:
    url = engine.url.set(drivername=engine.url.get_backend_name())
    return url.render_as_string(hide_password=False)


def _kill(killer: Engine, connection: Connection) -> None:
    wire: Any = connection.connection.dbapi_connection
    with killer.connect() as other:
        if killer.dialect.name == "postgresql":
            other.exec_driver_sql(f"SELECT pg_terminate_backend({wire.info.backend_pid}, 10000)")
            return
        number = wire.thread_id()
        other.exec_driver_sql(f"KILL CONNECTION {number}")
        alive = f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {number}"
        while other.exec_driver_sql(alive).scalar():
            other.exec_driver_sql("DO SLEEP(0.01)")


class CutWire:
    """A wire to the server that tears in the moment of the next commit, on order.

    ``cut`` is ``"before"`` the server hears of it, or ``"after"`` it has committed.
    """

    def __init__(self, database_url: str) -> None:
        self._url = make_url(database_url)
        self.cut: str | None = None
        self.cuts = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        """Of the same database, by this wire."""
        port = self._listening.getsockname()[1]
        return self._url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection((str(self._url.host), self._url.port or 0))
            loses = threading.Event()
            for work in (self._there, self._back):
                threading.Thread(target=work, args=(near, far, loses), daemon=True).start()

    def _there(self, near: socket.socket, far: socket.socket, loses: threading.Event) -> None:
        with suppress(OSError):
            while data := near.recv(1 << 16):
                if self.cut and _COMMIT.search(data):
                    before, self.cut = self.cut == "before", None
                    self.cuts += 1
                    if before:
                        break
                    loses.set()
                far.sendall(data)
        _shut(near, far)

    def _back(self, near: socket.socket, far: socket.socket, loses: threading.Event) -> None:
        with suppress(OSError):
            while (data := far.recv(1 << 16)) and not loses.is_set():
                near.sendall(data)
        _shut(near, far)
        for end in (near, far):
            end.close()


def _shut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
