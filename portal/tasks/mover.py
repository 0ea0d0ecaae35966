"""What a worker process does when it is told to look at a batch: list, or move documents."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from portal.errors import LedgerAway, SyncError
from portal.ledger import Ledger
from portal.logs import context
from portal.models import Batch, DataSource, Hold, utc_now
from portal.secret_box import SecretBox, SecretUnreadable
from portal.services import gates, holds, leases, wanting
from portal.services.desk import LedgerDesk
from portal.services.discovery import Discovery, due_slice, is_being_listed
from portal.services.opening import open_source, settings_of
from portal.statuses import RunStatus
from portal.sync.archive.base import Archive
from portal.sync.checks.pool import InspectorPool
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.fetching import Fetcher
from portal.sync.sources.base import Source
from portal.sync.transfer.blame import Blame
from portal.sync.transfer.stint import Stint, StintOptions
from portal.tasks.offering import offer
from portal.tasks.queue import WorkQueue

logger = logging.getLogger(__name__)

# With this many documents waiting, moving some comes before listing more; and with so few of them
# one who lists is enough, and the others move what there is.
_ENOUGH_LISTED, _FEW_LISTED = 2000, 50
_LEDGER_PAUSE = 1.0


@dataclass(slots=True)
class _Opened:
    """A data source as this process has it open, for as long as its settings stay the same."""

    settings: object
    source: Source
    blame: Blame
    downloader: Fetcher
    rules: CompatibilityRules


class Mover:
    """The engine of one worker process; keeps connections and checking children between looks.

    :param home: of the installation; private CAs are written below it
    :param owner: the worker slot's name, as in leases
    :param zone: the time zone that people's windows are meant in
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
        zone: ZoneInfo,
        stopping: Callable[[], bool],
        on_busy: Callable[[int | None], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._queue = queue
        self._box = box
        self._home = home
        self._owner = owner
        self._zone = zone
        self._stopping = stopping
        self._on_busy = on_busy
        self._clock = clock
        self._opened: dict[int, _Opened] = {}
        self._inspectors = InspectorPool(1)

    def prepare(self) -> None:
        """In the thread that will look, before the first look: children end with their thread."""
        self._inspectors.prepare()

    def look(self, batch_id: int) -> None:
        """Do what is due in the batch for a while; idempotent, and nothing when nothing is due.

        Whatever goes wrong is not lost in a log: it holds the batch or its source, and the pages
        say why. Only when the ledger is away there is nowhere to say it.
        """
        if self._stopping():
            return
        self._on_busy(batch_id)
        context.begin()
        worked = False
        try:
            worked = self._work(batch_id)
        except (LedgerAway, OperationalError) as error:
            logger.warning("the ledger is away: %s", error)
            self._take_back()
        except SecretUnreadable:
            self._hold(batch_id, SyncError("SECRET_UNREADABLE"))
        except Exception as error:
            logger.exception("looking at batch %d failed", batch_id)
            self._hold(batch_id, SyncError("WORKER_FAILED", detail=type(error).__name__))
        finally:
            self._on_busy(None)
            context.begin()
        if worked and not self._stopping():
            offer(self._ledger, self._queue, now=self._clock(), zone=self._zone)

    def _take_back(self) -> None:
        """When the ledger is there again, give back what could not be given back without it.

        A month would else wait for the end of its lease, which is minutes away.
        """
        while not self._stopping():
            try:
                leases.free_slot(self._ledger, self._owner, now=self._clock())
            except OperationalError:
                time.sleep(_LEDGER_PAUSE)
            else:
                return

    def close(self) -> None:
        """Let go of connections and children."""
        for opened in self._opened.values():
            opened.downloader.close()
            opened.source.close()
        self._opened.clear()
        self._inspectors.close()

    def _work(self, batch_id: int) -> bool:
        """Whether anything could be done: if not, the agent's next offer is soon enough."""
        with self._ledger.read() as session:
            batch = session.get(Batch, batch_id)
            if batch is None or batch.run_status is RunStatus.ENDED:
                return False
            context.note(batch_no=batch.batch_no)
            waits = batch.run_status is RunStatus.WAITING
            if waits and not wanting.is_due(session, batch_id, self._clock()):
                return False
            held = holds.of_batch(session, batch)
        if waits:
            return self._fetch_wanted(batch_id, held)
        if held:
            return self._work_held(batch_id, held)
        return self._work_freely(batch_id)

    def _fetch_wanted(self, batch_id: int, held: Sequence[Hold]) -> bool:
        """Move what 文件下载 wants of a batch that does not run; nothing else of it begins."""
        wide = [hold for hold in held if hold.batch_id is None]
        if wide:
            return all(self._probe(hold) for hold in wide)
        with self._ledger.read() as session:
            source = session.get_one(Batch, batch_id).data_source
            if not gates.windows_of(source, self._zone).is_open(self._clock()):
                return False
        return self._move(batch_id, wanted_only=True)

    def _work_held(self, batch_id: int, held: Sequence[Hold]) -> bool:
        """Probe what is due to be probed; what only holds some organisations is worked on."""
        wide = [hold for hold in held if hold.batch_id is None]
        if wide:
            return all(self._probe(hold) for hold in wide)
        whole = next((hold for hold in held if hold.org_code is None), None)
        if whole is None:
            return self._work_freely(batch_id)
        if whole.code == "WORKER_FAILED":
            # What fails is looking at it: so that is what is tried.
            return self._take_probe(whole, without=True) and self._work_freely(batch_id)
        return self._list_for_probes(batch_id) or self._move(batch_id)

    def _list_for_probes(self, batch_id: int) -> bool:
        """Where no document is left to probe with, list more of them; whether there was a month.

        A hold of documents does not keep a batch from being listed, and with none it never ended.
        """
        with self._ledger.read() as session:
            batch = session.get_one(Batch, batch_id)
            if batch.pending or not gates.windows_of(batch.data_source, self._zone).is_open(
                self._clock()
            ):
                return False
            slice_id = due_slice(session, batch_id, self._clock())
            opened = self._open(batch.data_source)
        return slice_id is not None and self._list(slice_id, opened)

    def _probe(self, hold: Hold) -> bool:
        """Ask what is held whether it is well again, if that is due; whether it is."""
        if not self._take_probe(hold):
            return False
        try:
            self._ask(hold)
        except SecretUnreadable:
            return self._still_ill(hold, SyncError("SECRET_UNREADABLE"))
        except SyncError as error:
            if error.code != "SRC_THROTTLED":  # who limits the rate is there
                return self._still_ill(hold, error)
        self._ledger.transact(
            lambda session: holds.lift(session, hold.id, by=self._owner, now=self._clock())
        )
        return True

    def _take_probe(self, hold: Hold, *, without: bool = False) -> bool:
        """Whether it is ours to probe now; ``without`` anything to probe it with."""

        def take(session: Session) -> bool:
            taken = holds.take_probe(session, hold, now=self._clock())
            if taken and without:
                holds.try_without(session, hold.id, now=self._clock())
            return taken

        return self._ledger.transact(take)

    def _still_ill(self, hold: Hold, error: SyncError) -> bool:
        self._ledger.transact(
            lambda session: holds.probe_failed(session, hold.id, error, now=self._clock())
        )
        return False

    def _ask(self, hold: Hold) -> None:
        if hold.data_source_id is None:
            self._archive.probe(int(hold.params.get("needed", 0)))
            return
        with self._ledger.read() as session:
            opened = self._open(session.get_one(DataSource, hold.data_source_id))
        opened.source.check()

    def _hold(self, batch_id: int, cause: SyncError) -> None:
        """Hold the batch, or its source when that is what cannot be opened."""

        def open_hold(session: Session) -> None:
            batch = session.get_one(Batch, batch_id)
            whose = (
                {"source": batch.data_source}
                if cause.problem.where == "source"
                else {"batch": batch}
            )
            holds.open_hold(session, cause, **whose, by=self._owner, now=self._clock())

        try:
            self._ledger.transact(open_hold)
        except SQLAlchemyError:
            logger.exception("the hold of batch %d could not be recorded", batch_id)

    def _work_freely(self, batch_id: int) -> bool:
        with self._ledger.read() as session:
            batch = session.get_one(Batch, batch_id)
            if gates.is_closed(session, batch, self._clock(), self._zone):
                return False
            backlog = batch.pending
            slice_id = due_slice(session, batch_id, self._clock())
            is_listed = is_being_listed(session, batch_id, self._clock())
            opened = self._open(batch.data_source)
        enough = _FEW_LISTED if is_listed else _ENOUGH_LISTED
        if slice_id is not None and backlog < enough:
            return self._list(slice_id, opened)
        if self._move(batch_id):
            return True
        return slice_id is not None and self._list(slice_id, opened)

    def _list(self, slice_id: int, opened: _Opened) -> bool:
        return Discovery(
            self._ledger,
            opened.source,
            owner=self._owner,
            zone=self._zone,
            stopping=self._stopping,
            clock=self._clock,
        ).list_slice(slice_id)

    def _move(self, batch_id: int, *, wanted_only: bool = False) -> bool:
        with self._ledger.read() as session:
            source = session.get_one(Batch, batch_id).data_source
            opened = self._open(source)
        stint = Stint(
            desk=LedgerDesk(
                self._ledger,
                batch_id,
                source.id,
                owner=self._owner,
                zone=self._zone,
                others_waiting=lambda: bool(self._queue.waiting()),
                wanted_only=wanted_only,
                clock=self._clock,
            ),
            source=opened.source,
            archive=self._archive,
            downloader=opened.downloader,
            inspectors=self._inspectors,
            rules=opened.rules,
            options=StintOptions(owner=self._owner),
            blame=opened.blame,
            stopping=self._stopping,
        )
        return stint.run() > 0

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
            blame=Blame(fresh.source, self._archive),
            downloader=fresh.downloader,
            rules=CompatibilityRules.from_mapping(source.rules),
        )
        return self._opened[source.id]
