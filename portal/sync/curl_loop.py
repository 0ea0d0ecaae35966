"""The event loop under libcurl's multi interface: epoll tells it which sockets are ready."""

from __future__ import annotations

import select
import time
from collections.abc import Collection, Iterator

import pycurl

_INTERESTS = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


class CurlLoop:
    """One multi handle with its sockets and its timer; opens both at once.

    :param connections: open at most, idle ones included; transfers beyond that wait for one
    """

    def __init__(self, connections: int) -> None:
        self._epoll = select.epoll()
        self._watched: set[int] = set()
        self._others: frozenset[int] = frozenset()
        self._due: float | None = None
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, connections)
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)

    def add(self, handle: pycurl.Curl) -> None:
        """Begin the transfer that the handle describes, at the next turn."""
        self._multi.add_handle(handle)

    def remove(self, handle: pycurl.Curl) -> None:
        """Take a handle out; a transfer under way is dropped with its connection."""
        self._multi.remove_handle(handle)

    def turn(self, pause: float) -> bool:
        """Move what can be moved, waiting at most ``pause`` seconds for something to do.

        :returns: whether a descriptor of :meth:`watch` is readable
        """
        if self._is_due():
            self._act(pycurl.SOCKET_TIMEOUT, 0)
            pause = 0.0
        elif self._due is not None:
            pause = min(pause, self._due - time.monotonic())
        woken = False
        for descriptor, events in self._epoll.poll(max(0.0, pause)):
            if descriptor in self._others:
                woken = True
            else:
                self._act(descriptor, _ready(events))
        return woken

    def ended(self) -> Iterator[tuple[pycurl.Curl, int, str]]:
        """The transfers that ended since the last call: handle, libcurl's code, its message."""
        queued = 1
        while queued:
            queued, succeeded, failed = self._multi.info_read()
            for handle in succeeded:
                yield handle, pycurl.E_OK, ""
            yield from failed

    def watch(self, descriptors: Collection[int]) -> None:
        """Let :meth:`turn` also end when one of these is readable, and no others any more.

        None may be closed while it is watched.
        """
        for descriptor in self._others.difference(descriptors):
            self._epoll.unregister(descriptor)
        for descriptor in set(descriptors) - self._others:
            self._epoll.register(descriptor, select.EPOLLIN)
        self._others = frozenset(descriptors)

    def close(self) -> None:
        """Close all connections; handles must have been removed before."""
        self._multi.close()
        self._epoll.close()

    def _is_due(self) -> bool:
        return self._due is not None and self._due <= time.monotonic()

    def _act(self, descriptor: int, ready: int) -> None:
        if descriptor == pycurl.SOCKET_TIMEOUT:
            self._due = None  # libcurl sets the next one while it acts
        self._multi.socket_action(descriptor, ready)

    def _on_socket(self, interest: int, descriptor: int, _multi: object, _data: object) -> None:
        if interest == pycurl.POLL_REMOVE:
            self._watched.discard(descriptor)
            self._epoll.unregister(descriptor)
        elif descriptor in self._watched:
            self._epoll.modify(descriptor, _INTERESTS[interest])
        else:
            self._epoll.register(descriptor, _INTERESTS[interest])
            self._watched.add(descriptor)

    def _on_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def _ready(events: int) -> int:
    """What epoll saw, in libcurl's words; a hang-up is learned by reading."""
    ready = 0
    if events & (select.EPOLLIN | select.EPOLLHUP):
        ready |= pycurl.CSELECT_IN
    if events & select.EPOLLOUT:
        ready |= pycurl.CSELECT_OUT
    if events & select.EPOLLERR:
        ready |= pycurl.CSELECT_ERR
    return ready
