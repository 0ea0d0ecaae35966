"""Reading a source's count and listing beside running batches: at their pace, with patience."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import utc_now
from portal.services.listing_pace import ListingPace
from portal.sync.sources.base import Source
from portal.sync.sources.rows import Count, Page, Scope
from portal.sync.transfer.retry import delay_before, is_final

T = TypeVar("T")
_LOOK_SECONDS = 0.2
_chance = random.SystemRandom()


class PatientSource:
    """A source's count and listing; what may pass is tried again, a few times.

    :param owner: under which name its calls count against the source's level
    :param breathe: called while waiting; what it raises ends the wait
    """

    def __init__(
        self,
        ledger: Ledger,
        source: Source,
        source_id: int,
        *,
        owner: str,
        breathe: Callable[[], None] = lambda: None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._breathe = breathe
        self._wait = wait
        self._pace = ListingPace(
            ledger, source_id, owner=owner, stopping=lambda: False, clock=utc_now
        )

    def count(self, scope: Scope) -> Count:
        """As the source's; waits for its turn.

        :raises SyncError: what cannot pass, or did not after some tries
        """
        return self._ask(lambda: self._source.count(scope))

    def page(self, scope: Scope, number: int) -> Page:
        """As the source's; waits for its turn.

        :raises SyncError: what cannot pass, or did not after some tries
        """
        return self._ask(lambda: self._source.page(scope, number))

    def _ask(self, call: Callable[[], T]) -> T:
        attempt = 0
        while True:
            while not self._pace.wait():
                self._rest(_LOOK_SECONDS)
            try:
                answer = call()
            except SyncError as error:
                self._pace.ended(error)
                attempt += 1
                if is_final(attempt, error):
                    raise
                self._rest(delay_before(attempt, error, _chance).total_seconds())
            else:
                self._pace.ended(None)
                return answer

    def _rest(self, seconds: float) -> None:
        while seconds > 0:
            self._breathe()
            self._wait(min(seconds, _LOOK_SECONDS))
            seconds -= _LOOK_SECONDS
