"""Sending a file: whole, cut short, or with a long silence in the middle."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


def sliced(parts: Iterable[bytes], start: int, stop: int) -> list[bytes]:
    """The bytes from start up to stop of the parts in a row; whole parts are not copied."""
    pieces = []
    for part in parts:
        low, high = max(start, 0), min(stop, len(part))
        if low < high:
            pieces.append(part if (low, high) == (0, len(part)) else part[low:high])
        start, stop = start - len(part), stop - len(part)
    return pieces


def stalling(pieces: list[bytes], wait: Callable[[], None]) -> Iterator[bytes]:
    """The first half, the wait, and the rest."""
    size = sum(map(len, pieces))
    yield from sliced(pieces, 0, size // 2)
    wait()
    yield from sliced(pieces, size // 2, size)


def short(pieces: list[bytes], environ: Mapping[str, Any]) -> Iterator[bytes]:
    """The first half, then the connection is closed, so that the client notices at once."""
    yield from sliced(pieces, 0, sum(map(len, pieces)) // 2)
    # gunicorn would keep the connection open, and the client would wait for the rest on it.
    connection = environ.get("gunicorn.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)


def counted(pieces: Iterable[bytes], sent: Callable[[int], None]) -> Iterator[bytes]:
    """The same pieces; each is reported when the server has taken it."""
    for piece in pieces:
        yield piece
        sent(len(piece))
