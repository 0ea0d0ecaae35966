"""The ledger as the transfer loop sees it: one batch's work, for one worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from portal.errors import LedgerAway, SyncError
from portal.ledger import Ledger
from portal.logs import context
from portal.models import Batch, DataSource, utc_now
from portal.services import claims, gates, holds, levels, outcomes
from portal.sync.throttle.level import Report, Share
from portal.sync.transfer.work import Claim, Control, Result

logger = logging.getLogger(__name__)
T = TypeVar("T")

# How long a turn at the ledger is waited for, seconds: shortly by the loop, whose downloads stand
# still meanwhile, and long by who records results beside it.
LOOP_PATIENCE, PATIENCE = 2.0, 30.0
# Near the end of a batch nobody claims more than such a part of what is left, but these few.
_PART, _FEW = 4, 8


class LedgerDesk:
    """A :class:`portal.sync.transfer.work.Desk`; every method is one short transaction.

    :param zone: the time zone that people's windows are meant in
    :param others_waiting: whether other work waits for a worker
    :param wanted_only: hand out only what 文件下载 wants of a batch that waits
    :raises LedgerAway: by every method, when the database cannot be used just now
    """

    def __init__(
        self,
        ledger: Ledger,
        batch_id: int,
        source_id: int,
        *,
        owner: str,
        zone: ZoneInfo,
        others_waiting: Callable[[], bool],
        wanted_only: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._batch_id = batch_id
        self._wanted_only = wanted_only
        self._source_id = source_id
        self._owner = owner
        self._zone = zone
        self._others_waiting = others_waiting
        self._clock = clock
        self._has_claimed = False
        self._is_alone = False
        self._is_probe = False

    def claim(self, limit: int) -> list[Claim]:
        """Lease due documents.

        One under which workers died is only handed out first, and then nothing besides it; nor
        besides a probe.
        """
        if self._is_alone or self._is_probe:
            return []

        def take(session: Session) -> list[Claim]:
            left = session.get_one(Batch, self._batch_id).pending
            return claims.claim(
                session,
                self._batch_id,
                owner=self._owner,
                limit=min(limit, max(left // _PART, _FEW)),
                now=self._clock(),
                alone_too=not self._has_claimed,
                wanted_only=self._wanted_only,
            )

        claimed = self._write(take, LOOP_PATIENCE)
        self._has_claimed = True
        self._is_alone = any(one.is_alone for one in claimed)
        # The look for more that finds nothing must not end a probe that is under way.
        self._is_probe = self._is_probe or any(one.probe_of is not None for one in claimed)
        return claimed

    def control(self) -> Control:
        """Stop when the batch no longer runs or may not; give way when others wait."""
        with self._reading() as session:
            batch = session.get_one(Batch, self._batch_id)
            stop = gates.is_closed(
                session,
                batch,
                self._clock(),
                self._zone,
                probing=self._is_probe,
                wanted_only=self._wanted_only,
            )
        return Control(stop=stop, give_way=not stop and self._others_waiting())

    def renew(self, held: Sequence[Claim]) -> frozenset[int]:
        """Renew leases; what was lost comes back."""
        if not held:
            return frozenset()
        return self._write(
            lambda session: claims.renew(session, held, owner=self._owner, now=self._clock()),
            LOOP_PATIENCE,
        )

    def settle(self, results: Sequence[Result]) -> list[Result]:
        """Record results; what was refused comes back."""
        refused = self._write(
            lambda session: outcomes.settle(
                session, self._batch_id, results, by=self._owner, now=self._clock()
            )
        )
        for result in results:
            if result.error is not None:
                with context.working_on(document=result.claim.document_id):
                    logger.info("a try at the document failed: %s", result.error)
        return refused

    def release(self, held: Sequence[Claim]) -> None:
        """Give claims back untried."""
        if not held:
            return
        self._write(
            lambda session: claims.release(session, held, owner=self._owner, now=self._clock())
        )

    def hold(self, cause: SyncError) -> None:
        """Hold the source, or everything when the archive is the cause."""

        def open_hold(session: Session) -> None:
            source = None
            if cause.problem.where != "archive":
                source = session.get_one(DataSource, self._source_id)
            holds.open_hold(session, cause, source=source, by=self._owner, now=self._clock())

        with suppress(IntegrityError):  # another worker was first
            self._write(open_hold)

    def exchange(self, report: Report) -> Share:
        """Report to the level of the source."""
        try:
            return self._write(
                lambda session: levels.exchange(
                    session, self._source_id, report, by=self._owner, now=self._clock()
                ),
                LOOP_PATIENCE,
            )
        except IntegrityError as error:  # two workers were the first ones
            raise LedgerAway("账本暂时无法使用", "the ledger cannot be used just now") from error

    def _write(self, work: Callable[[Session], T], patience: float = PATIENCE) -> T:
        try:
            return self._ledger.transact(work, patience=patience)
        except OperationalError as error:
            raise LedgerAway("账本暂时无法使用", "the ledger cannot be used just now") from error

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        try:
            with self._ledger.read() as session:
                yield session
        except OperationalError as error:
            raise LedgerAway("账本暂时无法使用", "the ledger cannot be used just now") from error
