"""Many downloads in flight in one thread, by libcurl's multi interface.

libcurl moves the bytes and keeps connections alive across files. Redirects are reported, never
followed: only the caller knows which hosts it allows and where the token may go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pycurl

from portal.errors import SyncError
from portal.sync.crawling import SpeedWatch
from portal.sync.curl_loop import CurlLoop
from portal.sync.curl_transfer import (
    CurlTransfer,
    Download,
    Downloaded,
    DownloadOptions,
)
from portal.sync.fetching import HasFileno
from portal.sync.kept_connections import KeptConnections
from portal.sync.response import Sink
from portal.sync.throttle.bandwidth import ByteBudget

__all__ = ["Download", "DownloadOptions", "Downloaded", "Downloader", "HasFileno", "Sink"]


#: How long no kept connection is used after one ended without an answer: a source that closes
#: them unannounced must not cost every download an attempt.
_FRESH_SECONDS = 60.0


class Downloader:
    """Keeps many downloads in flight; for one thread, and never called from inside a sink.

    Nothing is opened before the first use, so that it may be built before a fork.
    """

    def __init__(self, options: DownloadOptions) -> None:
        self._options = options
        self._opened: CurlLoop | None = None
        self._kept = KeptConnections()
        self._speeds = SpeedWatch(options.stall_seconds)
        self._fresh_until = 0.0
        self._idle: list[CurlTransfer] = []
        self._active: dict[int, CurlTransfer] = {}
        self._by_handle: dict[pycurl.Curl, CurlTransfer] = {}
        self._ended: list[Downloaded] = []
        self._budget = ByteBudget(time.monotonic)

    @property
    def in_flight(self) -> int:
        """Downloads started and neither handed back by :meth:`wait` nor aborted."""
        return len(self._active) + len(self._ended)

    def set_bandwidth(self, rate: float | None) -> None:
        """Receive so many bytes a second at most from now on; None is no limit."""
        self._budget.set_rate(rate)

    def start(self, download: Download) -> None:
        """Begin a download; its end, whatever it is, comes out of :meth:`wait`.

        :raises ValueError: if a download with this key is under way
        """
        if download.key in self._active:
            raise ValueError(f"download {download.key} is already under way")
        transfer = self._idle.pop() if self._idle else self._new_transfer()
        try:
            transfer.begin(download, fresh=time.monotonic() < self._fresh_until)
        except (ValueError, pycurl.error):
            self._idle.append(transfer)
            error = SyncError("SRC_BAD_ANSWER", detail="an address or header that cannot be sent")
            self._ended.append(Downloaded(download.key, error, None, 0, 0, 0.0))
            return
        self._active[download.key] = self._by_handle[transfer.handle] = transfer
        self._loop().add(transfer.handle)

    @contextmanager
    def watching(self, others: Sequence[HasFileno]) -> Iterator[None]:
        """While the block lasts :meth:`wait` also ends when one of these is readable."""
        loop = self._loop()
        loop.watch({other.fileno() for other in others})
        try:
            yield
        finally:
            loop.watch(())

    def wait(self, timeout: float) -> list[Downloaded]:
        """Move bytes until something ended, another one is readable or the time is over.

        :param timeout: seconds; 0 moves what can be moved at once
        :returns: what ended, in that order; empty when the wait ended for another reason
        """
        loop = self._loop()
        deadline = time.monotonic() + timeout
        while True:
            pause = 0.0 if self._ended else deadline - time.monotonic()
            pause = min(pause, self._resume_paused())
            woken = loop.turn(pause)
            self._collect(loop)
            if woken or self._ended or time.monotonic() >= deadline:
                break
        ended, self._ended = self._ended, []
        return ended

    def abort(self, key: int) -> None:
        """Drop one download quietly: it will not come out of :meth:`wait`."""
        transfer = self._active.get(key)
        if transfer is not None:
            self._release(self._loop(), transfer)
        self._ended = [ended for ended in self._ended if ended.key != key]

    def close(self) -> None:
        """Drop everything in flight and close all connections; may be called twice."""
        for key in [*self._active]:
            self.abort(key)
        self._ended.clear()
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        while self._idle:
            self._idle.pop().handle.close()

    def _loop(self) -> CurlLoop:
        if self._opened is None:
            self._opened = CurlLoop(self._options.connections)
        return self._opened

    def _new_transfer(self) -> CurlTransfer:
        before_request = self._kept.before_request
        return CurlTransfer(self._options, budget=self._budget, before_request=before_request)

    def _collect(self, loop: CurlLoop) -> None:
        for handle, code, message in loop.ended():
            transfer = self._by_handle[handle]
            self._kept.note(handle)
            if transfer.repeat_if_unclean(code):
                loop.remove(handle)
                loop.add(handle)
                continue
            if code == pycurl.E_ABORTED_BY_CALLBACK:
                self._fresh_until = time.monotonic() + _FRESH_SECONDS
            self._release(loop, transfer)
            self._ended.append(transfer.outcome(code, message))
        if self._speeds.is_due():
            self._end_slow(loop)

    def _end_slow(self, loop: CurlLoop) -> None:
        received = {key: transfer.received for key, transfer in self._active.items()}
        for slow in self._speeds.look(received):
            transfer = self._active[slow.key]
            self._release(loop, transfer)
            self._ended.append(transfer.given_up(slow))

    def _resume_paused(self) -> float:
        """Go on with what waits for bandwidth, as far as there is some; seconds until there is."""
        paused = [transfer for transfer in self._active.values() if transfer.is_paused]
        # In turn, who has waited longest first: at a low cap the source would give up the others.
        for transfer in sorted(paused, key=lambda one: one.paused_at):
            wait = self._budget.wait_seconds()
            if wait:
                return wait
            transfer.go_on()
        return math.inf

    def _release(self, loop: CurlLoop, transfer: CurlTransfer) -> None:
        loop.remove(transfer.handle)
        del self._active[transfer.key], self._by_handle[transfer.handle]
        self._idle.append(transfer)
