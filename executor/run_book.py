"""What a program may ask and write about runs, whoever performs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from . import changes, exposition, logs, metrics, overview, runs
from .errors import UnknownRun
from .exposition import Family
from .ledger import Ledger
from .models import RunInfo
from .overview import Backlog, RegistrationInfo


class RunBook:
    """Runs, their logs, and how the executor is doing; each call is a transaction of its own."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._clock = clock

    def append_run_log(self, run_id: int, text: str) -> None:
        """Write to the log of a run known by its own id; in a transaction of its own."""
        now = self._clock()
        self._ledger.transact(lambda session: logs.append(session, run_id, text, now=now))

    def append_log(self, log_id: int, text: str) -> None:
        """Write to the log of the newest run of ``log_id``; in a transaction of its own.

        :raises UnknownRun: if there is no such run
        """
        now = self._clock()

        def append(session: Session) -> None:
            run = changes.newest_of_log(session, log_id)
            if run is None:
                raise UnknownRun(f"no run has log id {log_id}")
            logs.append(session, run.id, text, now=now)

        self._ledger.transact(append)

    def newest_runs(self, *, before: int | None = None, limit: int = 50) -> list[RunInfo]:
        """Runs for a list, the newest first; ``before`` is the run id the last page ended with."""
        with self._ledger.read() as session:
            return runs.newest(session, before=before, limit=limit)

    def find_run(self, run_id: int) -> RunInfo | None:
        """One run, or None."""
        with self._ledger.read() as session:
            return runs.find(session, run_id)

    def log_lines(self, run_id: int, *, after: int = 0) -> Sequence[logs.LogLine]:
        """The lines of a run's log behind line ``after``, a bounded number of them."""
        with self._ledger.read() as session:
            return logs.lines_after(session, run_id, after)

    def deferred_runs(self) -> list[RunInfo]:
        """The runs that wait for :meth:`finish`, oldest first."""
        with self._ledger.read() as session:
            return runs.deferred(session)

    def reporting(self) -> tuple[list[RegistrationInfo], Backlog]:
        """What each admin last said to the registration, and the results that wait."""
        with self._ledger.read() as session:
            return overview.reporting(session)

    def send_again(self, run_id: int | None = None) -> int:
        """Make one result due now, or all that wait; returns how many."""
        now = self._clock()
        return self._ledger.transact(lambda session: overview.send_again(session, run_id, now))

    def metrics(self) -> str:
        """Everything a monitor may want to know, as a page of its own."""
        return exposition.page(self.figures())

    def figures(self) -> Sequence[Family]:
        """The same for a program with figures of its own on the page, see :mod:`.exposition`."""
        with self._ledger.read() as session:
            return metrics.families(session, self._clock())
