"""Many files of a folder in flight: threads read, the one that waits hands the bytes on.

A share may answer slowly or not at all. Only the reading threads wait for it; the loop that waits
here goes on renewing its leases, and gives a file up that brings no byte for too long.
"""

from __future__ import annotations

import math
import os
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from portal.errors import SyncError
from portal.sync.curl_transfer import Download, Downloaded
from portal.sync.fetching import HasFileno
from portal.sync.folder_reading import Reading
from portal.sync.throttle.bandwidth import ByteBudget

_THREADS = 4
#: Threads that hang in a dead share are replaced, so long as there are no more than so many.
_MOST_THREADS = 32
_STALL_SECONDS = 30.0
_LOOK_SECONDS = 1.0
_JOIN_SECONDS = 0.5


class FolderFetcher:
    """A :class:`portal.sync.fetching.Fetcher`.

    :param opened: the descriptor of the regular file that an address means; raises a SyncError
    :param stall_seconds: how long no byte may come
    """

    def __init__(
        self, opened: Callable[[str], int], *, stall_seconds: float = _STALL_SECONDS
    ) -> None:
        self._open = opened
        self._stall_seconds = stall_seconds
        self._threads: _Threads | None = None
        self._epoll: select.epoll | None = None
        self._others: frozenset[int] = frozenset()
        self._active: dict[int, Reading] = {}
        self._waiting: deque[Reading] = deque()
        self._ended: list[Downloaded] = []
        self._budget = ByteBudget(time.monotonic)

    @property
    def in_flight(self) -> int:
        """Files started and neither handed back nor aborted."""
        return len(self._active) + len(self._ended)

    def set_bandwidth(self, rate: float | None) -> None:
        """Hand on so many bytes a second at most from now on."""
        self._budget.set_rate(rate)

    def start(self, download: Download) -> None:
        """Begin a file."""
        if download.key in self._active:
            raise ValueError(f"download {download.key} is already under way")
        threads, _ = self._begun()
        reading = Reading(download, self._open)
        self._active[download.key] = reading
        threads.read(reading)

    @contextmanager
    def watching(self, others: Sequence[HasFileno]) -> Iterator[None]:
        """While the block lasts :meth:`wait` also ends when one of these is readable."""
        self._watch(frozenset(other.fileno() for other in others))
        try:
            yield
        finally:
            self._watch(frozenset())

    def wait(self, timeout: float) -> list[Downloaded]:
        """Hand bytes on until something ended, another one is readable or the time is over."""
        threads, epoll = self._begun()
        deadline = time.monotonic() + timeout
        while True:
            pause = 0.0 if self._ended else deadline - time.monotonic()
            pause = max(0.0, min(pause, self._hand_on_waiting(threads), _LOOK_SECONDS))
            ready = {descriptor for descriptor, _ in epoll.poll(pause)}
            for reading in threads.collect():
                self._take(threads, reading)
            self._give_up_stalled(threads)
            if self._ended or ready & self._others or time.monotonic() >= deadline:
                break
        ended, self._ended = self._ended, []
        return ended

    def abort(self, key: int) -> None:
        """Drop one file quietly."""
        reading = self._active.pop(key, None)
        if reading is not None:
            self._drop(reading)
        self._ended = [ended for ended in self._ended if ended.key != key]

    def close(self) -> None:
        """Drop everything and end the threads; may be called twice."""
        for key in [*self._active]:
            self.abort(key)
        self._ended.clear()
        if self._threads is not None and self._epoll is not None:
            self._epoll.close()
            self._threads.close()
            self._threads = self._epoll = None

    def _begun(self) -> tuple[_Threads, select.epoll]:
        if self._threads is None or self._epoll is None:
            self._threads, self._epoll = _Threads(), select.epoll()
            self._epoll.register(self._threads.bell, select.EPOLLIN)
            self._others = frozenset()
        return self._threads, self._epoll

    def _watch(self, descriptors: frozenset[int]) -> None:
        _, epoll = self._begun()
        for descriptor in self._others - descriptors:
            epoll.unregister(descriptor)
        for descriptor in descriptors - self._others:
            epoll.register(descriptor, select.EPOLLIN)
        self._others = descriptors

    def _take(self, threads: _Threads, reading: Reading) -> None:
        """What a thread has read, unless nobody wants it any more."""
        if self._active.get(reading.key) is not reading:
            reading.close()
            return
        reading.since = None
        if self._budget.is_limited and reading.piece:
            self._waiting.append(reading)
        else:
            self._hand_on(threads, reading)

    def _hand_on_waiting(self, threads: _Threads) -> float:
        """Hand on what waits for bandwidth, as far as there is some; seconds until there is."""
        while self._waiting:
            wait = self._budget.wait_seconds()
            if wait:
                return wait
            reading = self._waiting.popleft()
            self._budget.spend(len(reading.piece))
            self._hand_on(threads, reading)
        return math.inf

    def _hand_on(self, threads: _Threads, reading: Reading) -> None:
        reading.hand_on()
        if reading.is_over:
            del self._active[reading.key]
            reading.close()
            self._ended.append(reading.outcome())
        else:
            threads.read(reading)

    def _drop(self, reading: Reading) -> None:
        """One that a thread is at is closed when it comes back."""
        if reading.since is None:
            reading.close()
            if reading in self._waiting:
                self._waiting.remove(reading)

    def _give_up_stalled(self, threads: _Threads) -> None:
        late = time.monotonic() - self._stall_seconds
        for reading in [*self._active.values()]:
            if reading.since is not None and reading.since < late:
                del self._active[reading.key]
                reading.error = SyncError("SRC_TIMEOUT", seconds=round(self._stall_seconds, 3))
                self._ended.append(reading.outcome())
                threads.replace_one()


class _Threads:
    """Threads that take one step of a reading at a time, and ring when they have."""

    def __init__(self) -> None:
        self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._steps: queue.SimpleQueue[Reading | None] = queue.SimpleQueue()
        self._done: deque[Reading] = deque()
        self._lock = threading.Lock()
        self._is_closed = False
        self._threads: list[threading.Thread] = []
        for _ in range(_THREADS):
            self._add_one()

    def read(self, reading: Reading) -> None:
        """Have the next piece read."""
        reading.since = time.monotonic()
        self._steps.put(reading)

    def collect(self) -> list[Reading]:
        """Those whose step was taken."""
        try:
            os.eventfd_read(self.bell)
        except BlockingIOError:
            return []
        with self._lock:
            done = [*self._done]
            self._done.clear()
        return done

    def replace_one(self) -> None:
        """A thread hangs: another one takes its turn."""
        if len(self._threads) < _MOST_THREADS:
            self._add_one()

    def close(self) -> None:
        """End those that do not hang; one that does ends when the share answers."""
        with self._lock:
            self._is_closed = True
            os.close(self.bell)
            done = [*self._done]
        for reading in done:
            reading.close()
        for _ in self._threads:
            self._steps.put(None)
        until = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _add_one(self) -> None:
        thread = threading.Thread(target=self._serve, name="folder reader", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (reading := self._steps.get()) is not None:
            if self._is_closed:
                reading.close()
                continue
            reading.step()
            with self._lock:
                if self._is_closed:
                    reading.close()
                else:
                    self._done.append(reading)
                    os.eventfd_write(self.bell, 1)
