"""Requests that never come to their end, against the server as it is shipped."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest

from portal.cli.slow_requests import IDLE_SECONDS, REQUEST_SECONDS
from tests.functional.installation import Installation, wait_for

pytestmark = pytest.mark.processes

TOKEN = "a-token-for-tests"
HEAD = f"POST /xxl-job/run HTTP/1.1\r\nHost: x\r\nXXL-JOB-ACCESS-TOKEN: {TOKEN}\r\n"
BEAT = f"POST /xxl-job/beat HTTP/1.1\r\nHost: x\r\nXXL-JOB-ACCESS-TOKEN: {TOKEN}\r\n"


@pytest.fixture
def served(site: Installation) -> Installation:
    site.settings["XXL_JOB_ACCESS_TOKEN"] = TOKEN
    assert site.run("db", "upgrade").code == 0
    site.start("web")
    wait_for("the web to serve", lambda: _beat(site))
    return site


def _connect(site: Installation) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.port), timeout=60)


def _beat(site: Installation) -> bytes | None:
    try:
        with _connect(site) as connection:
            connection.sendall(f"{BEAT}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return _rest(connection)
    except ConnectionRefusedError:
        return None


def _rest(connection: socket.socket) -> bytes:
    try:
        return b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionResetError:
        return b""


def test_more_half_sent_requests_than_threads_are_cut_off_and_others_are_served(
    served: Installation,
) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(_connect(served)) for _ in range(40)]
        for number, connection in enumerate(connections):
            half = HEAD if number % 2 else f"{HEAD}Content-Length: 100\r\n\r\n" + '{"jobId":'
            connection.sendall(half.encode())
        assert b'"code": 200' in (_beat(served) or b"").replace(b'"code":200', b'"code": 200')
        for number, connection in enumerate(connections):
            answer = _rest(connection)  # ends, because the server closes
            if number % 2 == 0:
                assert b"the body ended early" in answer


def test_connections_that_say_nothing_keep_nobody_waiting(served: Installation) -> None:
    # A thread that waited for each would take the threads for longer than a client waits.
    with ExitStack() as stack:
        silent = [stack.enter_context(_connect(served)) for _ in range(250)]
        assert b'"code": 200' in (_beat(served) or b"").replace(b'"code":200', b'"code": 200')
        one = silent[-1]
        one.sendall(f"{BEAT}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        assert _rest(one).startswith(b"HTTP/1.1 200")


def test_request_that_drips_is_cut_off(served: Installation) -> None:
    with _connect(served) as connection:
        began = time.monotonic()
        connection.sendall(HEAD.encode())
        connection.settimeout(1)
        while True:
            try:
                connection.sendall(b"x")
                if not connection.recv(1):
                    break
            except TimeoutError:
                assert time.monotonic() - began < REQUEST_SECONDS + 2 * IDLE_SECONDS
            except (BrokenPipeError, ConnectionResetError):
                break


def test_body_above_the_limit_is_answered_by_the_shipped_server_too(served: Installation) -> None:
    size = (5 << 20) + 1
    with _connect(served) as connection:
        connection.sendall(f"{HEAD}Connection: close\r\nContent-Length: {size}\r\n\r\n".encode())
        connection.sendall(b"x" * size)
        assert b"is larger than 5242880 bytes" in _rest(connection)


def test_a_kept_connection_serves_several_requests_with_and_without_a_length(
    served: Installation,
) -> None:
    with _connect(served) as connection:
        for length in ("Content-Length: 0\r\n", "", "Content-Length: 0\r\n"):
            connection.sendall(f"{BEAT}{length}\r\n".encode())
            answer = b""
            while not answer.endswith(b"}"):  # head and body may come apart
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
