"""Files below a web address, which serves them to anybody who is let through to it."""

from __future__ import annotations

from portal.sync.fetching import Fetcher
from portal.sync.reach import places_of, reach
from portal.sync.sources.gate import Gate
from portal.sync.sources.kind import Opening
from portal.sync.sources.targets import Address, Target, redirect_address


class WebFiles:
    """A :class:`portal.sync.sources.files.base.FilePlace`; the base URL, then the path.

    A path here is percent-encoded already, and may have a query.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._connection = opening.http
        self._gate = Gate(self._connection)

    def check(self) -> None:
        """Any answer is good: what matters is that there is somebody."""
        reach(self._connection, places_of(self._connection)[0])

    def target(self, path: str) -> Target:
        """Nothing goes along: there is no token."""
        return self._target(self._connection.address("/" + path), 0)

    def redirect_target(self, target: Target, location: str) -> Target:
        """Follow one redirect, as far as the rules go."""
        return self._target(redirect_address(target, location), target.redirects + 1)

    def fetcher(self) -> Fetcher:
        """By HTTP."""
        return self._opening.downloader()

    def close(self) -> None:
        """Nothing is kept open here."""

    def _target(self, address: Address, redirects: int) -> Target:
        self._gate.check(address)
        return Target(address.url, redirects=redirects)
