"""A socket of the web's: what a client does not take is not waited for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.cli import slow_requests
from portal.cli.slow_requests import PIECE_BYTES, TimedSocket

MUCH = bytes(range(256)) * (64 << 10)


@pytest.fixture
def pair() -> Iterator[tuple[TimedSocket, socket.socket]]:
    server, client = socket.socketpair()
    timed = TimedSocket.adopt(server)
    with timed, client:
        yield timed, client


@pytest.fixture
def much(tmp_path: Path) -> Path:
    path = tmp_path / "much"
    path.write_bytes(MUCH)
    return path


@pytest.mark.parametrize("as_file", [False, True])
def test_an_answer_nobody_takes_is_given_up(
    pair: tuple[TimedSocket, socket.socket],
    much: Path,
    monkeypatch: pytest.MonkeyPatch,
    as_file: bool,
) -> None:
    monkeypatch.setattr(slow_requests, "PIECE_SECONDS", 0.01)
    timed, _client = pair
    with much.open("rb") as file, pytest.raises(ConnectionResetError):
        timed.sendfile(file, count=len(MUCH)) if as_file else timed.sendall(MUCH)


def test_who_does_not_mean_to_wait_does_not(pair: tuple[TimedSocket, socket.socket]) -> None:
    timed, _client = pair
    timed.setblocking(False)
    with pytest.raises(BlockingIOError):
        timed.sendall(MUCH)
    assert timed.gettimeout() == 0


@pytest.mark.parametrize(
    ("offset", "count"),
    [(0, len(MUCH)), (7, PIECE_BYTES + 1), (PIECE_BYTES, 1), (len(MUCH) - 3, 100), (5, None)],
)
def test_a_file_is_sent_from_any_place(
    pair: tuple[TimedSocket, socket.socket], much: Path, offset: int, count: int | None
) -> None:
    timed, client = pair
    taken = bytearray()

    def take() -> None:
        while piece := client.recv(1 << 20):
            taken.extend(piece)

    reader = threading.Thread(target=take)
    reader.start()
    with much.open("rb") as file:
        sent = timed.sendfile(file, offset, count)
        assert file.tell() == 0
    timed.shutdown(socket.SHUT_WR)
    reader.join()
    expected = MUCH[offset:] if count is None else MUCH[offset : offset + count]
    assert (sent, bytes(taken)) == (len(expected), expected)
    assert timed.gettimeout() is None
