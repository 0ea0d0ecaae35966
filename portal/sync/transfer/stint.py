"""A stint: one worker moving documents of one batch until there is no more or others wait.

One thread runs the loop: it claims documents, keeps a number of downloads in flight across
document borders, hands complete files to the checking children and whole documents, in groups,
to the committer.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portal.errors import LedgerAway, SyncError
from portal.sync.archive.base import Archive
from portal.sync.checks.pool import InspectorPool
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.fetching import Fetcher
from portal.sync.sources.base import Source
from portal.sync.throttle.pace import Pace
from portal.sync.transfer.blame import Blame
from portal.sync.transfer.committer import Committer
from portal.sync.transfer.document import DocumentTransfer
from portal.sync.transfer.flights import Flights, Landed
from portal.sync.transfer.rechecker import Rechecker
from portal.sync.transfer.work import Control, Desk, Result

logger = logging.getLogger(__name__)

GROUP_SECONDS = 0.5
GROUP_SIZE = 200
# What is claimed at once keeps the loop busy for about so long, within the most: while the ledger
# is asked the sockets wait.
CLAIM_SECONDS = 0.5
MOST_CLAIMED = 200
# With so many failures that the ledger has not heard of nothing more is begun: it may be going to
# hold all the others, and a source that refuses at once would fail hundreds in the meantime.
MOST_UNHEARD_FAILURES = 16
# Whole documents that wait for a slow archive; beyond that nothing more is fetched.
MOST_BACKLOG_BYTES = 512 << 20
CONTROL_SECONDS = 0.5
RENEW_SECONDS = 8.0
STOP_GRACE_SECONDS = 1.0
LEDGER_PAUSE_SECONDS = 5.0
# A source that wants to be left alone for longer does not keep a worker that others wait for.
_LONGEST_PAUSE = 5.0
_MOST_REFUSALS = 20


@dataclass(frozen=True, slots=True)
class StintOptions:
    """How a stint works.

    :param owner: the worker slot's name, as in the leases
    :param seconds: after how long it gives way when others wait
    :param lease_seconds: how long a claim holds without being renewed
    """

    owner: str
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
        downloader: Fetcher,
        inspectors: InspectorPool,
        rules: CompatibilityRules,
        options: StintOptions,
        blame: Blame,
        stopping: Callable[[], bool],
    ) -> None:
        self._desk = desk
        self._downloader = downloader
        self._pace = Pace(time.monotonic)
        self._archive = archive
        self._options = options
        self._stopping = stopping
        self._flights = Flights(
            source=source,
            archive=archive,
            downloader=downloader,
            inspectors=inspectors,
            rules=rules,
            owner=options.owner,
            pace=self._pace,
        )
        self._committer = Committer(desk, archive, blame, stopping=stopping)
        self._rechecker = Rechecker(archive)
        self._held: dict[int, DocumentTransfer] = {}
        self._waiting: deque[DocumentTransfer] = deque()
        self._group: list[Result] = []
        self._committing: set[int] = set()
        self._unheard_failures: set[int] = set()
        self._claim_size = 1
        self._settled = 0
        self._no_more = False
        self._has_given_way = False
        self._served = 0
        now = time.monotonic()
        self._began = now
        self._group_since = now
        self._claimed_at = now
        self._control_at = now + CONTROL_SECONDS
        self._renewed_at = now
        self._exchange_at = now
        self._stop_by: float | None = None

    def run(self) -> int:
        """Work until there is nothing due, others wait, or a stop; the number of results."""
        bells = (self._committer, self._rechecker)
        with self._committer, self._rechecker, self._flights.watching(bells):
            try:
                self._exchange()
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
        landed = self._flights.wait(self._next_moment(), time.monotonic())
        for file in landed:
            if file.error is not None and file.error.code == "SRC_THROTTLED":
                self._put_back(file, file.error)
                continue
            self._served += 1
            if file.error is not None:
                self._fail(file.document, file.error, file.position)
            elif file.document.is_whole and not file.document.handed_over:
                file.document.handed_over = True
                self._add_to_group(file.document.result())
        self._take_rechecked()
        self._hand_over()
        self._forget(self._committer.collect())

    def _is_over(self) -> bool:
        if self._stop_by is not None and time.monotonic() >= self._stop_by:
            return True
        return self._no_more and not self._held and self._flights.is_empty

    def _next_moment(self) -> float:
        """When there is something to do even if nothing happens."""
        moments = [self._control_at, max(self._pace.report_at, self._exchange_at)]
        # A start in the past waits for room: what makes room wakes us.
        if self._waiting and self._pace.next_start > time.monotonic():
            moments.append(self._pace.next_start)
        if self._group:
            moments.append(self._group_since + GROUP_SECONDS)
        return min(moments)

    def _exchange(self) -> None:
        """Tell the other workers what the source did, and hear how hard it may be worked."""
        try:
            share = self._desk.exchange(self._pace.report())
        except LedgerAway:
            # The share that we have stays; asking again at once would cost the downloads more.
            self._exchange_at = time.monotonic() + LEDGER_PAUSE_SECONDS
            return
        self._pace.apply(share)
        self._downloader.set_bandwidth(share.bandwidth)
        if not share.window or (share.pause > _LONGEST_PAUSE and self._has_given_way):
            self._stop_soon()

    def _listen(self) -> None:
        """Hear of pause, cancel, a stopping process or others waiting; keep the leases alive."""
        if self._pace.is_report_due and time.monotonic() >= self._exchange_at:
            self._exchange()
        now = time.monotonic()
        if now < self._control_at:
            return
        self._control_at = now + CONTROL_SECONDS
        try:
            self._obey(Control(stop=True) if self._stopping() else self._desk.control(), now)
            if now - self._renewed_at >= RENEW_SECONDS:
                self._renewed_at = now
                for item_id in self._desk.renew([held.claim for held in self._held.values()]):
                    self._drop(self._held[item_id])
        except LedgerAway:
            logger.warning("the ledger is away; what is under way goes on")

    def _obey(self, control: Control, now: float) -> None:
        if control.stop:
            self._stop_soon()
        if control.give_way and now - self._began >= self._options.seconds:
            self._no_more = self._has_given_way = True
        if self._no_more:
            self._give_back_untouched()

    def _stop_soon(self) -> None:
        self._no_more = True
        if self._stop_by is None:
            self._stop_by = time.monotonic() + STOP_GRACE_SECONDS

    def _refill(self) -> None:
        if self._no_more or self._waiting or len(self._rechecker) >= max(self._pace.window, 1):
            return
        if self._has_to_be_heard:
            return
        try:
            claims = self._desk.claim(self._next_claim())
        except LedgerAway:
            claims = []
        self._no_more = not claims
        if leftovers := [folder for claim in claims for folder in claim.leftovers]:
            self._committer.remove(leftovers)
        for claim in claims:
            document = DocumentTransfer(claim)
            self._held[claim.item_id] = document
            if claim.recheck is not None and not claim.recheck.redescribed:
                self._rechecker.submit(document)
            elif claim.files:
                self._waiting.append(document)
            else:
                self._fail(document, SyncError("META_NO_FILES"), None)

    def _next_claim(self) -> int:
        """How many documents to claim: at most twice what the last claim was, at least the window,
        so that none waits long here that another worker could begin."""
        now = time.monotonic()
        fitting = self._claim_size * CLAIM_SECONDS / max(now - self._claimed_at, CLAIM_SECONDS / 2)
        self._claimed_at = now
        self._claim_size = max(min(round(fitting), MOST_CLAIMED), self._pace.window, 1)
        return self._claim_size

    def _take_rechecked(self) -> None:
        """Archived documents that were read again: sound ones are done, others are fetched."""
        for document in self._rechecker.collect():
            recheck = document.claim.recheck
            if document.failed or recheck is None:
                continue
            if document.unread is not None:
                self._fail(document, document.unread, None)
            elif document.damage is None and recheck.declared:
                self._add_to_group(Result(document.claim))
            elif document.claim.files:
                self._waiting.append(document)
            else:
                self._fail(document, SyncError("META_NO_FILES"), None)

    def _start_downloads(self) -> None:
        while self._waiting and self._stop_by is None and not self._has_to_be_heard:
            document = self._waiting[0]
            if not document.waiting:
                self._waiting.popleft()
                continue
            if not self._flights.has_room or self._is_behind:
                return
            position = document.waiting.popleft()
            try:
                self._flights.start(document, position)
            except SyncError as error:
                self._fail(document, error, position)

    def _put_back(self, file: Landed, error: SyncError) -> None:
        """The source takes no more just now: the file waits for the pace, nobody is to blame.

        Unless it is refused again and again while others are served.
        """
        document = file.document
        if document.failed:
            return
        if document.put_back(file.position, self._served) > _MOST_REFUSALS:
            self._fail(document, error, file.position)
        elif document not in self._waiting:
            self._waiting.append(document)

    # How documents leave.

    def _fail(self, document: DocumentTransfer, error: SyncError, position: int | None) -> None:
        if document.failed:
            return
        self._flights.abort(document)
        self._add_to_group(document.failure(error, position))

    def _drop(self, document: DocumentTransfer) -> None:
        """Let go of a document whose lease is lost: the ledger knows more than we do.

        One that the committer has already is left to it; the ledger will refuse it.
        """
        item_id = document.claim.item_id
        if item_id in self._committing:
            return
        self._group = [result for result in self._group if result.claim.item_id != item_id]
        self._unheard_failures.discard(item_id)
        self._flights.abort(document)
        document.discard()
        self._held.pop(item_id, None)

    @property
    def _is_behind(self) -> bool:
        """Whether the archive is slower than the source: what waits for it takes up room."""
        return self._committer.backlog_bytes >= MOST_BACKLOG_BYTES

    @property
    def _has_to_be_heard(self) -> bool:
        """Whether the ledger has to hear of failures before anything more is begun."""
        return len(self._unheard_failures) >= MOST_UNHEARD_FAILURES

    def _add_to_group(self, result: Result) -> None:
        if result.error is not None:
            self._unheard_failures.add(result.claim.item_id)
        if not self._group:
            self._group_since = time.monotonic()
        self._group.append(result)

    def _hand_over(self) -> None:
        if not self._group:
            return
        waited = time.monotonic() - self._group_since >= GROUP_SECONDS
        idle = self._flights.is_empty and not self._waiting and not self._rechecker
        if waited or idle or self._has_to_be_heard or len(self._group) >= GROUP_SIZE:
            self._commit_group()

    def _commit_group(self) -> None:
        group, self._group = self._group, []
        self._committing.update(result.claim.item_id for result in group)
        self._committer.submit(group)

    def _forget(self, results: list[Result]) -> None:
        self._settled += len(results)
        for result in results:
            self._held.pop(result.claim.item_id, None)
            self._committing.discard(result.claim.item_id)
            self._unheard_failures.discard(result.claim.item_id)

    def _give_back_untouched(self) -> None:
        untouched = [
            document
            for document in self._waiting
            if len(document.waiting) == len(document.claim.files)
        ]
        if untouched:
            self._release(untouched)
            for document in untouched:
                document.discard()
                del self._held[document.claim.item_id]
        self._waiting = deque(document for document in self._waiting if document.waiting)

    def _abandon(self) -> None:
        """End with nothing in the air: record what is whole, give the rest back.

        When the ledger is away the downloads stop all the same, and the leases run out by
        themselves.
        """
        try:
            if self._group:
                self._commit_group()
            self._forget(self._committer.finish())
        finally:
            self._flights.clean()
            rest = list(self._held.values())
            for document in rest:
                self._flights.abort(document)
                document.discard()
                document.clean(at_once=True)
            if rest:
                self._release(rest)

    def _release(self, documents: Sequence[DocumentTransfer]) -> None:
        try:
            self._desk.release([document.claim for document in documents])
        except LedgerAway:
            logger.warning("%d leases could not be given back and run out", len(documents))
