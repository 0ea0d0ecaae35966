"""Ended runs and their logs are forgotten after a while, a little at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from .changes import rows_changed
from .ledger import Ledger
from .models import ExecutorLogLine, ExecutorRun

EVERY: Final = timedelta(hours=1)
LINES: Final = 2_000
"""Log lines deleted in one transaction, so that writers wait for milliseconds."""
TRANSACTIONS: Final = 20
"""In one step of the agent."""

ForgetHook = Callable[[Session, int], None]


class Retention:
    """Deletes runs that ended before the time that is kept.

    Never a run that is not ended, whose handler has not returned, or whose result no admin has.

    :param keep: None keeps everything
    :param reports: whether there are admins to whom results go
    :param forgotten: called with the id of each run in the transaction that deletes it
    """

    def __init__(
        self, ledger: Ledger, keep: timedelta | None, *, reports: bool, forgotten: ForgetHook
    ) -> None:
        self._ledger = ledger
        self._keep = keep
        self._reports = reports
        self._forgotten = forgotten
        self._next_at: datetime | None = None

    def step(self, now: datetime) -> None:
        """Delete a bounded amount, at once and then hourly until nothing is left to delete."""
        if self._keep is None or (self._next_at is not None and now < self._next_at):
            return
        with self._ledger.read() as session:
            run_ids = session.scalars(self._old(now - self._keep).limit(TRANSACTIONS)).all()
        left = TRANSACTIONS
        for run_id in run_ids:
            left -= self._forget(run_id, left)
        if left > 0:
            self._next_at = now + EVERY

    def _old(self, before: datetime) -> Select[int]:
        statement = select(ExecutorRun.id).where(
            ExecutorRun.ended_at <= before,
            ExecutorRun.lease_expires_at.is_(None),
            ExecutorRun.occupies_job_id.is_(None),
        )
        if self._reports:
            statement = statement.where(ExecutorRun.next_delivery_at.is_(None))
        return statement.order_by(ExecutorRun.ended_at)

    def _forget(self, run_id: int, transactions: int) -> int:
        """Delete the run, or as many of its lines as can be; returns the transactions used."""
        for used in range(1, transactions + 1):
            if self._ledger.transact(lambda session: self._is_forgotten(session, run_id)):
                return used
        return transactions

    def _is_forgotten(self, session: Session, run_id: int) -> bool:
        """Delete some lines, or the run itself when none is left; whether it was the run."""
        if self._delete_lines(session, run_id):
            return False
        rows_changed(session, delete(ExecutorRun).where(ExecutorRun.id == run_id))
        self._forgotten(session, run_id)
        return True

    def _delete_lines(self, session: Session, run_id: int) -> int:
        lines = ExecutorLogLine
        first = session.scalar(select(func.min(lines.number)).where(lines.run_id == run_id))
        if first is None:
            return 0
        condition = (lines.run_id == run_id, lines.number < first + LINES)
        return rows_changed(session, delete(lines).where(*condition))
