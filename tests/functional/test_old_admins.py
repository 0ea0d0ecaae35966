"""Admins of 2.0 and 2.1 keep one connection and send before they were answered."""

from __future__ import annotations

import select
import socket
import time

import pytest

from tests.executor.java_calls import rpc_answer, rpc_request
from tests.executor.java_peer import JavaReader
from tests.functional.installation import Installation, wait_for

pytestmark = pytest.mark.processes

TOKEN = "a-token-for-tests"


@pytest.fixture
def served(site: Installation) -> Installation:
    site.settings["XXL_JOB_ACCESS_TOKEN"] = TOKEN
    assert site.run("db", "upgrade").code == 0
    site.start("web")
    wait_for("the web to serve", lambda: _serves(site))
    return site


def _connect(site: Installation) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.port), timeout=60)


def _serves(site: Installation) -> bool:
    try:
        _connect(site).close()
    except ConnectionRefusedError:
        return False
    return True


def _post(body: bytes) -> bytes:
    """As Netty's client writes it."""
    head = "POST /xxl-job/ HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: keep-alive\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _answers(connection: socket.socket, count: int) -> list[bytes]:
    found: list[bytes] = []
    data = b""
    while len(found) < count:
        head, end, rest = data.partition(b"\r\n\r\n")
        lengths = [
            line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        ]
        length = int(lengths[0].split(b":")[1]) if end else 0
        if not end or len(rest) < length:
            piece = connection.recv(65536)
            assert piece, "the connection was closed"
            data += piece
            continue
        assert head.startswith(b"HTTP/1.1 200 ")
        found.append(rest[:length])
        data = rest[length:]
    assert data == b""
    return found


def test_calls_that_follow_each_other_on_one_connection_are_all_answered(
    served: Installation,
) -> None:
    with _connect(served) as connection:
        requests = [rpc_request("beat", token=TOKEN, request_id=f"r{n}") for n in range(5)]
        connection.sendall(b"".join(map(_post, requests)))
        answers = [rpc_answer(answer) for answer in _answers(connection, 5)]
        assert [request_id for request_id, _said in answers] == ["r0", "r1", "r2", "r3", "r4"]
        assert {said.code for _request_id, said in answers} == {200}

        closed, _, _ = select.select([connection], [], [], 7)
        assert not closed, "the connection does not outlast the pause between two pings"
        connection.sendall(_post(rpc_request("idleBeat", 7, token=TOKEN, created=time.time())))
        [answer] = _answers(connection, 1)
        assert rpc_answer(answer)[1].code == 200

        connection.sendall(_post(rpc_request("beat", token="wrong")))
        [answer] = _answers(connection, 1)
        assert JavaReader(answer).read_all().fields["errorMsg"] == "The access token[***] is wrong."
