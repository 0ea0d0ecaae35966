"""A head that comes byte by byte is not waited for: of an admin's answer as of any other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from executor.admins import AdminClient, AdminUnreachable
from portal.outbound import http


@pytest.fixture
def dripping() -> Iterator[int]:
    """The port of somebody whose answer's first header has no end."""
    closing = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not closing.wait(0.02):
                connection.sendall(b"x")

    thread = threading.Thread(target=answer)
    thread.start()
    yield int(server.getsockname()[1])
    closing.set()
    thread.join()
    server.close()


def test_an_admin_that_drips_holds_nobody_up(dripping: int) -> None:
    admin = AdminClient(
        f"http://127.0.0.1:{dripping}",
        token="",
        app_name="app-name",
        read_seconds=0.1,
        session=http.session,
    )
    with pytest.raises(AdminUnreachable):
        admin.registry("app-name", "http://x")
