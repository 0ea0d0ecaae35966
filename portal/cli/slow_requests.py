"""gunicorn's threads, but what is not sent, or not taken, does not keep one for ever.

gunicorn reads a request in the thread that will answer it, with no limit: a handful of clients
that send half a request each would occupy every thread. So would those that connect and say
nothing for a while, as browsers do ahead of the next click. And so would those that ask for more
than the kernel keeps for them and do not read it.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gunicorn.workers.gthread import ThreadWorker

IDLE_SECONDS: Final = 5.0
"""Silence in the middle of a request."""
REQUEST_SECONDS: Final = 20.0
"""For a whole request, however it drips."""
PIECE_BYTES: Final = 1 << 16
PIECE_SECONDS: Final = 10.0
"""For so much of an answer, when the kernel keeps no more for the client."""

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class TimedSocket(socket.socket):
    """A socket that gives up on a client that sends too slowly, or takes too slowly."""

    _until: float | None = None

    @classmethod
    def adopt(cls, accepted: socket.socket) -> TimedSocket:
        """Take over the connection of another socket object."""
        return cls(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())

    def expect_request(self) -> None:
        """The next bytes begin a request."""
        self._until = None

    def recv(self, *args: Any) -> bytes:
        """As ever.

        :raises ConnectionResetError: when the request comes too slowly
        """
        now = time.monotonic()
        if self._until is None:
            self._until = now + REQUEST_SECONDS
        self.settimeout(max(0.001, min(IDLE_SECONDS, self._until - now)))
        try:
            return super().recv(*args)
        except TimeoutError as error:
            # What gunicorn takes for a client that went away: no noise, and the thread is free.
            raise ConnectionResetError(errno.ECONNRESET, "the request came too slowly") from error
        finally:
            if self.fileno() >= 0:
                self.settimeout(None)

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """As ever, a piece at a time.

        :raises ConnectionResetError: when a piece is not taken in time
        """
        view = memoryview(data).cast("B")
        for start in range(0, len(view), PIECE_BYTES):
            with self._in_time():
                super().sendall(view[start : start + PIECE_BYTES], flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """The same of a file, whose place is left where it is; how many bytes there were.

        The kernel's own way has a limit for every byte, and none for all of them.
        """
        sent = 0
        while count is None or sent < count:
            wanted = PIECE_BYTES if count is None else min(PIECE_BYTES, count - sent)
            piece = os.pread(file.fileno(), wanted, offset + sent)
            if not piece:
                break
            self.sendall(piece)
            sent += len(piece)
        return sent

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        before = self.gettimeout()
        if before is None:  # else whoever sends does not mean to wait
            self.settimeout(PIECE_SECONDS)
        try:
            yield
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the answer is not taken") from error
        finally:
            if self.fileno() >= 0:
                self.settimeout(before)


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A worker process that cuts slow clients off."""

    def enqueue_req(self, conn: Any) -> None:
        """Hand a connection with a request to a thread; of a new one wait for the first byte."""
        if not conn.initialized and not conn.data_ready:
            self._await_request(conn)
            return
        if not isinstance(conn.sock, TimedSocket):
            conn.sock = TimedSocket.adopt(conn.sock)
        conn.sock.expect_request()
        super().enqueue_req(conn)

    def _await_request(self, conn: Any) -> None:
        """As gunicorn does with a new connection that a thread has waited for in vain."""
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        call = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, call)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """End like a worker that is asked to: an exception raised by a signal lands anywhere."""
        self.handle_exit(sig, frame)
