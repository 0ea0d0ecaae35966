"""Publishes and records results in groups, in a thread beside the loop.

Flushing to disk and committing take milliseconds in which the sockets must not wait. The order
is the promise: bytes and entries on disk, folders in place, then the ledger's commit.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from types import TracebackType
from typing import TypeVar

from portal.errors import LedgerAway, SyncError
from portal.logs import context
from portal.sync.archive.base import Archive, Stage
from portal.sync.archive.outages import OF_ONE, OUTAGES
from portal.sync.transfer.blame import Blame
from portal.sync.transfer.work import Desk, Result

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
T = TypeVar("T")


class Committer:
    """One thread that takes groups of results in order; readable by ``fileno`` when one is done.

    :ivar backlog_bytes: of documents handed over and not dealt with yet
    """

    def __init__(
        self, desk: Desk, archive: Archive, blame: Blame, *, stopping: Callable[[], bool]
    ) -> None:
        self._desk = desk
        self._archive = archive
        self._blame = blame
        self._stopping = stopping
        self._thread = ThreadPoolExecutor(
            1, "committer", initializer=partial(context.begin, **context.current())
        )
        self._groups: list[tuple[Future[None], Sequence[Result]]] = []
        self.backlog_bytes = 0
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def __enter__(self) -> Committer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=True)
        os.close(self._bell)

    def fileno(self) -> int:
        """Readable when a group has been dealt with."""
        return self._bell

    def submit(self, results: Sequence[Result]) -> None:
        """Hand over a group."""
        self.backlog_bytes += _bytes(results)
        future = self._thread.submit(self._commit, results)
        self._groups.append((future, results))
        future.add_done_callback(lambda _: os.eventfd_write(self._bell, 1))

    def collect(self) -> list[Result]:
        """Results of the groups that are done; an unexpected error of a group is raised here."""
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return []
        done = [group for group in self._groups if group[0].done()]
        self._groups = [group for group in self._groups if group not in done]
        for future, results in done:
            self.backlog_bytes -= _bytes(results)
            future.result()
        return [result for _, results in done for result in results]

    def finish(self) -> list[Result]:
        """Wait for every group; see :meth:`collect`."""
        groups, self._groups = self._groups, []
        wait([future for future, _ in groups])
        for future, _ in groups:
            future.result()
        return [result for _, results in groups for result in results]

    def _commit(self, results: Sequence[Result]) -> None:
        results = self._publish(results)
        cause = self._blame.cause(results)
        if cause is not None:
            results = self._give_back(results, cause)
        for result in self._settle(results):
            # Another worker holds the document now: what we published is nobody's.
            self._archive.remove(result.claim.folder)

    def remove(self, folders: Sequence[str]) -> None:
        """Have folders removed that nobody can record, in turn with the groups."""
        self._thread.submit(self._archive.remove, *folders)

    def _give_back(self, results: Sequence[Result], cause: SyncError) -> list[Result]:
        """Hold what has this cause, and count it against no document; the other results."""
        rest = [
            result
            for result in results
            if result.error is None or result.error.problem.where == "document"
        ]
        blameless = [result.claim for result in results if result not in rest]

        def give_back() -> None:
            self._desk.hold(cause)
            self._desk.release(blameless)

        self._insist(give_back)
        return rest

    def _publish(self, results: Sequence[Result]) -> Sequence[Result]:
        stages = [result.stage for result in results if result.stage is not None]
        try:
            self._archive.publish(stages)
        except SyncError as error:
            errors = self._errors(stages, error)
            unpublished = [
                result for result in results if result.stage and errors.get(result.stage.folder)
            ]
            for result in unpublished:
                if result.stage is not None:
                    result.stage.close()
            self._archive.remove(*(result.claim.folder for result in unpublished))
            return [
                Result(result.claim, error=errors[result.claim.folder])
                if result in unpublished
                else result
                for result in results
            ]
        return results

    def _errors(self, stages: Sequence[Stage], error: SyncError) -> dict[str, SyncError]:
        """Why which folder could not be published: the others of the group need not suffer."""
        if len(stages) == 1 or error.code not in OF_ONE:
            return {stage.folder: error for stage in stages}
        errors: dict[str, SyncError] = {}
        for place, stage in enumerate(stages):
            try:
                self._archive.publish([stage])
            except SyncError as own:
                errors[stage.folder] = own
                if own.code in OUTAGES:
                    return errors | {rest.folder: own for rest in stages[place:]}
        return errors

    def _settle(self, results: Sequence[Result]) -> list[Result]:
        return self._insist(lambda: self._desk.settle(results)) if results else []

    def _insist(self, step: Callable[[], T]) -> T:
        """Take a step at the ledger, again and again while that is away: every one is idempotent.

        What was published and never recorded would have to be fetched again. A stop ends it.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                return step()
            except LedgerAway:
                if self._stopping():
                    raise
                logger.warning("the ledger is away, trying again in %.0f s", pause)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)


def _bytes(results: Sequence[Result]) -> int:
    return sum(file.size for result in results for file in result.files)
