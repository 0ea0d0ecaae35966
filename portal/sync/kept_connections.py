"""Whether a connection kept from an earlier download is clean enough for the next one.

A source may send more than it announced: a line break too many, or the same answer twice. The
surplus waits on the kept connection and would be read as the next file's answer. libcurl looks
for that only when a connection was idle for a second, which a busy one never is.
"""

from __future__ import annotations

import select

import pycurl


class KeptConnections:
    """Knows the socket of every kept connection, and looks at it before a request goes out."""

    def __init__(self) -> None:
        self._descriptors: dict[tuple[str, int], int] = {}

    def note(self, handle: pycurl.Curl) -> None:
        """Remember the connection of a transfer that ended; not while libcurl acts."""
        descriptor = handle.getinfo(pycurl.ACTIVESOCKET)
        if descriptor >= 0:
            local = handle.getinfo(pycurl.LOCAL_IP), handle.getinfo(pycurl.LOCAL_PORT)
            self._descriptors[local] = descriptor

    def before_request(
        self, _remote_ip: str, local_ip: str, _remote_port: int, local_port: int
    ) -> int:
        """libcurl's question before each request: abort if there is an answer already."""
        descriptor = self._descriptors.pop((local_ip, local_port), None)
        if descriptor is None or not _is_readable(descriptor):
            return int(pycurl.PREREQFUNC_OK)
        return int(pycurl.PREREQFUNC_ABORT)


def _is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(0))
