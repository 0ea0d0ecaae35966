"""What a worker process does when it is told to look at a batch: list, or move documents."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from portal.ledger import Ledger
from portal.models import Batch, DataSource, utc_now
from portal.secret_box import SecretBox
from portal.services.desk import LedgerDesk
from portal.services.discovery import Discovery, due_slice
from portal.services.opening import open_source, settings_of
from portal.statuses import RunStatus
from portal.sync.archive.base import Archive
from portal.sync.checks.pool import InspectorPool
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.download import Downloader
from portal.sync.sources.base import Source
from portal.sync.transfer.stint import Stint, StintOptions
from portal.tasks.offering import offer
from portal.tasks.queue import WorkQueue

logger = logging.getLogger(__name__)

DEFAULT_LEVEL = 16
# With this many documents waiting, moving some comes before listing more.
_ENOUGH_LISTED = 2000


@dataclass(slots=True)
class _Opened:
    """A data source as this process has it open, for as long as its settings stay the same."""

    settings: object
    source: Source
    downloader: Downloader
    rules: CompatibilityRules


class Mover:
    """The engine of one worker process; keeps connections and checking children between looks.

    :param home: of the installation; private CAs are written below it
    :param owner: the worker slot's name, as in leases
    :param workers: how many workers share a source's concurrency cap
    :param on_busy: told which batch is worked on, and None afterwards
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        archive: Archive,
        queue: WorkQueue,
        box: SecretBox,
        home: Path,
        owner: str,
        workers: int,
        stopping: Callable[[], bool],
        on_busy: Callable[[int | None], None],
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._queue = queue
        self._box = box
        self._home = home
        self._owner = owner
        self._workers = workers
        self._stopping = stopping
        self._on_busy = on_busy
        self._opened: dict[int, _Opened] = {}
        self._inspectors: InspectorPool | None = None

    def look(self, batch_id: int) -> None:
        """Do what is due in the batch for a while; idempotent, and nothing when nothing is due."""
        if self._stopping():
            return
        self._on_busy(batch_id)
        try:
            worked = self._work(batch_id)
        finally:
            self._on_busy(None)
        if worked and not self._stopping():
            offer(self._ledger, self._queue, now=utc_now())

    def close(self) -> None:
        """Let go of connections and children."""
        for opened in self._opened.values():
            opened.downloader.close()
            opened.source.close()
        self._opened.clear()
        if self._inspectors is not None:
            self._inspectors.close()

    def _work(self, batch_id: int) -> bool:
        """Whether anything could be done: if not, the agent's next offer is soon enough."""
        with self._ledger.read() as session:
            batch = session.get(Batch, batch_id)
            if batch is None or batch.run_status is not RunStatus.RUNNING:
                return False
            backlog = batch.pending
            slice_id = due_slice(session, batch_id, utc_now())
            source = session.scalars(
                select(DataSource).where(DataSource.id == batch.data_source_id)
            ).one()
            opened = self._open(source)
            level = self._level(source)
        if slice_id is not None and backlog < _ENOUGH_LISTED:
            return self._list(slice_id, opened)
        if self._move(batch_id, opened, level):
            return True
        return slice_id is not None and self._list(slice_id, opened)

    def _list(self, slice_id: int, opened: _Opened) -> bool:
        Discovery(
            self._ledger,
            opened.source,
            owner=self._owner,
            stopping=self._stopping,
        ).list_slice(slice_id)
        return True

    def _move(self, batch_id: int, opened: _Opened, level: int) -> bool:
        self._inspectors = self._inspectors or InspectorPool(1)
        stint = Stint(
            desk=LedgerDesk(
                self._ledger,
                batch_id,
                owner=self._owner,
                others_waiting=lambda: self._queue.waiting() > 0,
            ),
            source=opened.source,
            archive=self._archive,
            downloader=opened.downloader,
            inspectors=self._inspectors,
            rules=opened.rules,
            options=StintOptions(owner=self._owner, level=level),
            stopping=self._stopping,
        )
        return stint.run() > 0

    def _level(self, source: DataSource) -> int:
        if source.concurrency_cap is None:
            return DEFAULT_LEVEL
        return max(1, min(DEFAULT_LEVEL, source.concurrency_cap // self._workers))

    def _open(self, source: DataSource) -> _Opened:
        settings = settings_of(source, self._home)
        opened = self._opened.get(source.id)
        if opened is not None and opened.settings == settings:
            return opened
        if opened is not None:
            opened.downloader.close()
            opened.source.close()
        fresh = open_source(source, self._box, self._home)
        self._opened[source.id] = _Opened(
            settings=settings,
            source=fresh.source,
            downloader=fresh.downloader,
            rules=CompatibilityRules.from_mapping(source.rules),
        )
        return self._opened[source.id]
