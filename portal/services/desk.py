"""The ledger as the transfer loop sees it: one batch's work, for one worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import select

from portal.ledger import Ledger
from portal.models import Batch, utc_now
from portal.services import claims, outcomes
from portal.statuses import RunStatus
from portal.sync.transfer.work import Claim, Control, Result


class LedgerDesk:
    """A :class:`portal.sync.transfer.work.Desk`; every method is one short transaction.

    :param others_waiting: whether other work waits for a worker
    """

    def __init__(
        self,
        ledger: Ledger,
        batch_id: int,
        *,
        owner: str,
        others_waiting: Callable[[], bool],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._batch_id = batch_id
        self._owner = owner
        self._others_waiting = others_waiting
        self._clock = clock

    def claim(self, limit: int) -> list[Claim]:
        """Lease due documents."""
        with self._ledger.write() as session:
            return claims.claim(
                session, self._batch_id, owner=self._owner, limit=limit, now=self._clock()
            )

    def control(self) -> Control:
        """Stop when the batch no longer runs; give way when others wait."""
        with self._ledger.read() as session:
            status = session.scalar(select(Batch.run_status).where(Batch.id == self._batch_id))
        stop = status is not RunStatus.RUNNING
        return Control(stop=stop, give_way=not stop and self._others_waiting())

    def renew(self, held: Sequence[Claim]) -> frozenset[int]:
        """Renew leases; what was lost comes back."""
        if not held:
            return frozenset()
        with self._ledger.write() as session:
            return claims.renew(session, held, owner=self._owner, now=self._clock())

    def settle(self, results: Sequence[Result]) -> list[Result]:
        """Record results; what was refused comes back."""
        with self._ledger.write() as session:
            return outcomes.settle(
                session, self._batch_id, results, by=self._owner, now=self._clock()
            )

    def release(self, held: Sequence[Claim]) -> None:
        """Give claims back untried."""
        with self._ledger.write() as session:
            claims.release(session, held, owner=self._owner, now=self._clock())
