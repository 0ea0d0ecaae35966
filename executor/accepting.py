"""Triggers that come at the same moment share a transaction, and its flush to disk.

A commit costs milliseconds, and on SQLite one writer at a time waits for its turn. So of the
threads that answer admins one commits what all of them have brought, while the next ones gather.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from .errors import TriggerRefused
from .handlers import JobHandler
from .ledger import Ledger
from .protocol.inbound import Trigger
from .runs import Accepted

BATCH: Final = 50
"""Triggers in one transaction."""

Accept = Callable[[Session, Trigger, JobHandler], Accepted]


@dataclass(eq=False)
class _Request:
    trigger: Trigger
    handler: JobHandler
    accepted: Accepted | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.accepted is not None or self.error is not None


class Acceptor:
    """Accepts triggers from many threads.

    :param accept: accepts one in a given transaction; has changed nothing when it refuses
    """

    def __init__(self, ledger: Ledger, accept: Accept) -> None:
        self._ledger = ledger
        self._accept = accept
        self._gathered: list[_Request] = []
        self._gather = threading.Lock()
        self._turn = threading.Lock()

    def accept(self, trigger: Trigger, handler: JobHandler) -> Accepted:
        """Have the trigger's run on disk when this returns.

        :raises TriggerRefused: if it is not accepted
        """
        request = _Request(trigger, handler)
        with self._gather:
            self._gathered.append(request)
        with self._turn:
            # Whoever had the turn before may have taken this one along.
            while not request.is_done:
                self._commit(self._take())
        if request.error is not None:
            raise request.error
        if request.accepted is None:
            raise AssertionError("a request is done without an answer")
        return request.accepted

    def _take(self) -> list[_Request]:
        with self._gather:
            batch, self._gathered = self._gathered[:BATCH], self._gathered[BATCH:]
        # In one order, so that two processes do not wait for each other's jobs.
        return sorted(batch, key=lambda request: request.trigger.job_id)

    def _commit(self, batch: list[_Request]) -> None:
        try:
            answers = self._in_one_transaction(batch)
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            # One of them spoiled it for the others: each for itself.
            for request in batch:
                self._commit([request])
            return
        except BaseException:
            # This thread is told to end; those that wait for it must not wait for ever.
            for request in batch:
                request.error = TriggerRefused("the executor is stopping")
            raise
        for request, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Accepted):
                request.accepted = answer
            else:
                request.error = answer

    def _in_one_transaction(self, batch: list[_Request]) -> list[Accepted | TriggerRefused]:
        def accept_all(session: Session) -> list[Accepted | TriggerRefused]:
            return [self._answer(session, request) for request in batch]

        if len(batch) > 1:
            return self._ledger.transact(accept_all)
        # Whoever waits for one alone begins anew by itself, and holds up nobody.
        with self._ledger.begin() as session:
            return accept_all(session)

    def _answer(self, session: Session, request: _Request) -> Accepted | TriggerRefused:
        try:
            return self._accept(session, request.trigger, request.handler)
        except TriggerRefused as refused:
            return refused
