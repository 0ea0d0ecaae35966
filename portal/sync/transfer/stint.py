"""A stint: one worker moving documents of one batch until there is no more or others wait.

One thread runs the loop: it claims documents, keeps a number of downloads in flight across
document borders, hands complete files to the checking children and whole documents, in groups,
to the committer.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from portal.errors import SyncError
from portal.sync.archive.base import Archive
from portal.sync.checks.inspection import Inspection, InspectionJob
from portal.sync.checks.pool import InspectorPool
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.download import Download, Downloaded, Downloader
from portal.sync.sources.base import Source
from portal.sync.sources.targets import Target
from portal.sync.transfer.committer import Committer
from portal.sync.transfer.document import DocumentTransfer, Flight
from portal.sync.transfer.work import Control, Desk, Result

logger = logging.getLogger(__name__)

GROUP_SECONDS = 0.5
GROUP_SIZE = 200
CONTROL_SECONDS = 0.5
RENEW_SECONDS = 8.0
STOP_GRACE_SECONDS = 1.0
MOST_INSPECTIONS_WAITING = 64
# Never given twice in a process: a late answer must not be taken for another stint's file.
_keys = itertools.count(1)


@dataclass(frozen=True, slots=True)
class StintOptions:
    """How a stint works.

    :param owner: the worker slot's name, as in the leases
    :param level: files in flight at once
    :param seconds: after how long it gives way when others wait
    :param lease_seconds: how long a claim holds without being renewed
    """

    owner: str
    level: int = 16
    seconds: float = 5.0
    lease_seconds: float = 30.0


class Stint:
    """One stint; :meth:`run` once.

    :param stopping: asked often; true when the worker process is to end
    """

    def __init__(
        self,
        *,
        desk: Desk,
        source: Source,
        archive: Archive,
        downloader: Downloader,
        inspectors: InspectorPool,
        rules: CompatibilityRules,
        options: StintOptions,
        stopping: Callable[[], bool],
    ) -> None:
        self._desk = desk
        self._source = source
        self._archive = archive
        self._downloader = downloader
        self._inspectors = inspectors
        self._rules = rules
        self._options = options
        self._stopping = stopping
        self._committer = Committer(desk, archive)
        self._held: dict[int, DocumentTransfer] = {}
        self._waiting: deque[DocumentTransfer] = deque()
        self._flights: dict[int, Flight] = {}
        self._inspecting: dict[int, Flight] = {}
        self._group: list[Result] = []
        self._settled = 0
        self._no_more = False
        now = time.monotonic()
        self._began = now
        self._group_since = now
        self._control_at = now + CONTROL_SECONDS
        self._renewed_at = now
        self._stop_by: float | None = None

    def run(self) -> int:
        """Work until there is nothing due, others wait, or a stop; the number of results."""
        with self._committer:
            try:
                while not self._is_over():
                    self._step()
            finally:
                self._abandon()
            return self._settled

    # What the loop does in one round.

    def _step(self) -> None:
        self._listen()
        self._refill()
        self._start_downloads()
        ended = self._downloader.wait(self._patience(), also=(self._inspectors, self._committer))
        for download in ended:
            self._on_downloaded(download)
        for inspection in self._inspectors.collect():
            self._on_inspected(inspection)
        self._hand_over()
        self._forget(self._committer.collect())

    def _is_over(self) -> bool:
        if self._stop_by is not None and time.monotonic() >= self._stop_by:
            return True
        return self._no_more and not self._held and not self._inspecting

    def _patience(self) -> float:
        now = time.monotonic()
        moments = [self._control_at]
        if self._group:
            moments.append(self._group_since + GROUP_SECONDS)
        deadline = self._inspectors.next_deadline()
        if deadline is not None:
            moments.append(deadline)
        return max(0.0, min(moments) - now)

    def _listen(self) -> None:
        """Hear of pause, cancel, a stopping process or others waiting; keep the leases alive."""
        now = time.monotonic()
        if now < self._control_at:
            return
        self._control_at = now + CONTROL_SECONDS
        control = Control(stop=True) if self._stopping() else self._desk.control()
        if control.stop and self._stop_by is None:
            self._no_more = True
            self._stop_by = now + STOP_GRACE_SECONDS
        if control.give_way and now - self._began >= self._options.seconds:
            self._no_more = True
        if self._no_more:
            self._give_back_untouched()
        if now - self._renewed_at >= RENEW_SECONDS:
            self._renewed_at = now
            for item_id in self._desk.renew([held.claim for held in self._held.values()]):
                self._drop(self._held[item_id])

    def _refill(self) -> None:
        if self._no_more or self._waiting:
            return
        claims = self._desk.claim(self._options.level)
        self._no_more = not claims
        for claim in claims:
            for folder in claim.leftovers:
                self._archive.remove(folder)
            document = DocumentTransfer(claim)
            self._held[claim.item_id] = document
            self._waiting.append(document)

    def _start_downloads(self) -> None:
        while (
            self._waiting
            and self._downloader.in_flight < self._options.level
            and self._inspectors.waiting < MOST_INSPECTIONS_WAITING
            and self._stop_by is None
        ):
            document = self._waiting[0]
            if not document.waiting:
                self._waiting.popleft()
                continue
            self._start(document, document.waiting.popleft())

    def _start(self, document: DocumentTransfer, position: int) -> None:
        file = document.claim.files[position]
        try:
            target = self._source.download_target(file.file_id, file.download_url)
            incoming = document.receive(
                position, self._archive, owner=self._options.owner, limit=self._rules.max_bytes
            )
        except SyncError as error:
            self._fail(document, error, position)
            return
        self._fly(Flight(document, position, target, incoming))

    def _fly(self, flight: Flight) -> None:
        key = next(_keys)
        self._flights[key] = flight
        self._downloader.start(
            Download(
                key=key,
                url=flight.target.url,
                headers=flight.target.headers,
                sink=flight.incoming,
                suffix=flight.file.suffix,
            )
        )

    # What comes back.

    def _on_downloaded(self, ended: Downloaded) -> None:
        flight = self._flights.pop(ended.key)
        try:
            again = self._new_target(flight, ended)
            if again is not None:
                flight.target = again
                self._fly(flight)
                return
            if ended.error is not None:
                raise ended.error
            if not ended.framed and flight.file.size is None and flight.file.sha256 is None:
                raise SyncError("SRC_SHORT_BODY", expected="?", received=ended.received)
            flight.digest = flight.incoming.finish()
        except SyncError as error:
            flight.incoming.close()
            self._fail(flight.document, error, flight.position)
            return
        self._inspect(ended.key, flight)

    def _new_target(self, flight: Flight, ended: Downloaded) -> Target | None:
        """Where to ask again: a redirect that is allowed, or with a fresh token, once."""
        if ended.redirect is not None:
            return self._source.redirect_target(flight.target, ended.redirect)
        stale = flight.target.token
        if ended.status == 401 and stale is not None and not flight.token_renewed:
            flight.token_renewed = True
            self._source.renew_token(stale)
            return self._source.download_target(flight.file.file_id, flight.file.download_url)
        return None

    def _inspect(self, key: int, flight: Flight) -> None:
        self._inspecting[key] = flight
        flight.document.checking += 1
        self._inspectors.submit(
            InspectionJob(
                id=key,
                path=str(flight.incoming.path),
                suffix=flight.file.suffix,
                category=flight.file.category,
                page_count=flight.file.page_count,
                rules=self._rules,
            )
        )

    def _on_inspected(self, inspection: Inspection) -> None:
        flight = self._inspecting.pop(int(inspection.id), None)
        if flight is None:
            return
        document = flight.document
        document.checking -= 1
        if document.failed:
            document.clean()
            return
        if inspection.facts is None:
            error = inspection.error or SyncError("INTERNAL", detail="inspection without answer")
            self._fail(document, error, flight.position)
            return
        document.store(flight.position, flight.incoming, flight.digest, inspection.facts)
        if document.is_whole:
            self._add_to_group(document.result())

    # How documents leave.

    def _fail(self, document: DocumentTransfer, error: SyncError, position: int | None) -> None:
        if document.failed:
            return
        self._abort_flights(document)
        self._add_to_group(document.failure(error, position))

    def _drop(self, document: DocumentTransfer) -> None:
        """Let go of a document whose lease is lost: the ledger knows more than we do."""
        self._abort_flights(document)
        document.discard()
        self._held.pop(document.claim.item_id, None)

    def _abort_flights(self, document: DocumentTransfer) -> None:
        for key in [key for key, flight in self._flights.items() if flight.document is document]:
            self._downloader.abort(key)
            self._flights.pop(key).incoming.close()

    def _add_to_group(self, result: Result) -> None:
        if not self._group:
            self._group_since = time.monotonic()
        self._group.append(result)

    def _hand_over(self) -> None:
        if not self._group:
            return
        waited = time.monotonic() - self._group_since >= GROUP_SECONDS
        idle = not self._flights and not self._inspecting and not self._waiting
        if waited or idle or len(self._group) >= GROUP_SIZE:
            group, self._group = self._group, []
            self._committer.submit(group)

    def _forget(self, results: list[Result]) -> None:
        self._settled += len(results)
        for result in results:
            self._held.pop(result.claim.item_id, None)

    def _give_back_untouched(self) -> None:
        untouched = [
            document
            for document in self._waiting
            if len(document.waiting) == len(document.claim.files)
        ]
        if untouched:
            self._desk.release([document.claim for document in untouched])
            for document in untouched:
                document.discard()
                del self._held[document.claim.item_id]
        self._waiting = deque(document for document in self._waiting if document.waiting)

    def _abandon(self) -> None:
        """End with nothing in the air: record what is whole, give the rest back."""
        if self._group:
            self._committer.submit(self._group)
            self._group = []
        self._forget(self._committer.finish())
        for flight in self._inspecting.values():
            flight.document.clean(at_once=flight.document.failed)
        rest = list(self._held.values())
        for document in rest:
            self._drop(document)
            document.clean(at_once=True)
        if rest:
            self._desk.release([document.claim for document in rest])
