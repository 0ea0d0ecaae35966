"""Files in the air: being downloaded, then checked by a child, then stored with their document."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from portal.errors import SyncError
from portal.sync.archive.base import Archive
from portal.sync.checks.inspection import Inspection, InspectionJob
from portal.sync.checks.pool import InspectorPool
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.download import Download, Downloaded
from portal.sync.fetching import Fetcher, HasFileno
from portal.sync.sources.base import Source
from portal.sync.sources.rows import SourceFile
from portal.sync.sources.targets import Target
from portal.sync.throttle.pace import Pace
from portal.sync.transfer.document import DocumentTransfer
from portal.sync.transfer.incoming import Incoming

MOST_INSPECTIONS_WAITING = 64
# So many tokens may run out under one request before that is its own failure.
_MOST_OUTLIVED = 3
# Never given twice in a process: a late answer must not be taken for another stint's file.
_keys = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Landed:
    """A file that is down: stored with its document, or the error it had."""

    document: DocumentTransfer
    position: int
    error: SyncError | None = None


@dataclass(slots=True)
class _Flight:
    document: DocumentTransfer
    position: int
    target: Target
    incoming: Incoming
    token_renewed: bool = False
    tokens_outlived: int = 0
    digest: str = ""

    @property
    def file(self) -> SourceFile:
        """What the source says of it."""
        return self.incoming.file

    @property
    def is_proved(self) -> bool:
        """Whether the source declares a digest, which whatever was received has to match."""
        return bool(self.file.sha256 or self.file.md5)

    @property
    def can_tell_whole(self) -> bool:
        """Whether the source declares anything that shows a missing end."""
        return self.is_proved or self.file.size is not None


class Flights:
    """The files one stint has in the air.

    :param owner: the worker slot's name
    :param pace: says when the next may start, and hears how each ended
    """

    def __init__(
        self,
        *,
        source: Source,
        archive: Archive,
        downloader: Fetcher,
        inspectors: InspectorPool,
        rules: CompatibilityRules,
        owner: str,
        pace: Pace,
    ) -> None:
        self._source = source
        self._archive = archive
        self._downloader = downloader
        self._inspectors = inspectors
        self._rules = rules
        self._owner = owner
        self._pace = pace
        self._downloading: dict[int, _Flight] = {}
        self._checking: dict[int, _Flight] = {}

    @property
    def has_room(self) -> bool:
        """Whether another file may start; the checks must not fall far behind the downloads."""
        if self._inspectors.waiting >= MOST_INSPECTIONS_WAITING:
            return False
        return self._pace.may_start(self._downloader.in_flight)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in the air."""
        return not self._downloading and not self._checking

    def start(self, document: DocumentTransfer, position: int) -> None:
        """Send a file off.

        :raises SyncError: when its address is not allowed or the archive refuses
        """
        file = document.claim.files[position]
        target = self._source.download_target(file.file_id, file.download_url)
        incoming = document.receive(
            position, self._archive, owner=self._owner, limit=self._rules.max_bytes
        )
        self._download(_Flight(document, position, target, incoming))

    def watching(self, others: Sequence[HasFileno]) -> AbstractContextManager[None]:
        """While the block lasts :meth:`wait` also ends when one of these is readable."""
        return self._downloader.watching((self._inspectors, *others))

    def wait(self, until: float, now: float) -> list[Landed]:
        """Let things move until a file landed, another one is readable, or ``until`` comes."""
        deadline = self._inspectors.next_deadline()
        if deadline is not None:
            until = min(until, deadline)
        patience = max(0.0, until - now)
        landed: list[Landed] = []
        for ended in self._downloader.wait(patience):
            landed += self._on_downloaded(ended)
        for inspection in self._inspectors.collect():
            landed += self._on_inspected(inspection)
        return landed

    def abort(self, document: DocumentTransfer) -> None:
        """Stop the downloads of a document; a check that is under way is left to its end."""
        keys = [key for key, flight in self._downloading.items() if flight.document is document]
        for key in keys:
            self._downloader.abort(key)
            self._downloading.pop(key).incoming.close()

    def clean(self) -> None:
        """At the end: throw away what given-up documents left because it was being checked."""
        for flight in self._checking.values():
            flight.document.clean(at_once=flight.document.failed)

    def _download(self, flight: _Flight) -> None:
        key = next(_keys)
        self._downloading[key] = flight
        self._pace.started()
        self._downloader.start(
            Download(
                key=key,
                url=flight.target.url,
                headers=flight.target.headers,
                sink=flight.incoming,
                suffix=flight.file.suffix,
            )
        )

    def _on_downloaded(self, ended: Downloaded) -> Sequence[Landed]:
        flight = self._downloading.pop(ended.key, None)
        if flight is None:
            return ()
        self._pace.ended(ended.error, ended.first_byte)
        try:
            again = self._new_target(flight, ended)
            if again is not None:
                flight.target = again
                self._download(flight)
                return ()
            if ended.error is not None:
                raise ended.error
            if not ended.framed and not flight.can_tell_whole:
                raise SyncError("SRC_CUT", received=ended.received)
            flight.digest = flight.incoming.finish()
        except SyncError as error:
            flight.incoming.close()
            return (Landed(flight.document, flight.position, error),)
        self._check(ended.key, flight)
        return ()

    def _new_target(self, flight: _Flight, ended: Downloaded) -> Target | None:
        """Where to ask again: a redirect that is allowed, or with a fresh token, once."""
        if ended.redirect is not None:
            return self._source.redirect_target(flight.target, ended.redirect)
        stale = flight.target.token
        if ended.status != 401 or stale is None:
            return None
        if stale != self._source.token():
            # Another one was fetched while this request was under way: that one may be good.
            flight.tokens_outlived += 1
        elif not flight.token_renewed:
            flight.token_renewed = True
            self._source.renew_token(stale)
        else:
            return None
        if flight.tokens_outlived > _MOST_OUTLIVED:
            return None
        return self._source.download_target(flight.file.file_id, flight.file.download_url)

    def _check(self, key: int, flight: _Flight) -> None:
        self._checking[key] = flight
        flight.document.checking += 1
        self._inspectors.submit(
            InspectionJob(
                id=key,
                path=str(flight.incoming.path),
                suffix=flight.file.suffix,
                category=flight.file.category,
                page_count=flight.file.page_count,
                rules=self._rules,
                proved=flight.is_proved,
            )
        )

    def _on_inspected(self, inspection: Inspection) -> Sequence[Landed]:
        flight = self._checking.pop(int(inspection.id), None)
        if flight is None:
            return ()
        document = flight.document
        document.checking -= 1
        if document.failed:
            document.clean()
            return ()
        error = inspection.error
        if inspection.facts is not None:
            document.store(flight.position, flight.incoming, flight.digest, inspection.facts)
        elif error is None:
            error = SyncError("INTERNAL", detail="inspection without answer")
        return (Landed(document, flight.position, error),)
