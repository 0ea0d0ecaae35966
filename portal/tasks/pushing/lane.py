"""One target as a pusher process works it: its documents in hand, and what its failures mean."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.logs import context
from portal.models import PushTarget
from portal.secret_box import SecretBox
from portal.services import push_claims, push_targets, pushes, target_holds
from portal.services.push_claims import PushClaim, PushLost
from portal.sync.archive.base import Archive
from portal.sync.targets.base import AWAY, Target
from portal.tasks.pushing.rate import Rate
from portal.tasks.pushing.work import PushWork, Stopped

logger = logging.getLogger(__name__)

#: So many different documents failing in a row, and none getting through, are the target's fault.
_SUSPICIOUS = 3
# A document that only showed that the target is away lets others be tried before it.
_BEHIND_OTHERS_SECONDS = 5.0


class Lane:
    """Pushes to one target with so many threads, until it is closed.

    :param owner: in whose name documents are claimed
    :param home: of the installation
    :param wake: called when a document is done with
    """

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        target: PushTarget,
        box: SecretBox,
        *,
        owner: str,
        home: Path,
        wake: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        self.settings = settings_of(target)
        self._ledger = ledger
        self._target_id = target.id
        self._owner = owner
        self._wake = wake
        self._clock = clock
        self._lock = threading.Lock()
        self._in_hands: dict[int, PushClaim] = {}
        self._lost: set[int] = set()
        self._suspects: set[int] = set()
        self._stopped = False
        self._width = target.concurrency_cap
        rate = Rate(target.rate_cap)
        self._target: Target = push_targets.open_target(target, box, pace=rate.wait)
        self._work = PushWork(
            ledger,
            archive,
            self._target,
            confirmed=frozenset(target.confirmed_statuses),
            bill_id_field=target.bill_id_field,
            home=home,
            stopping=lambda held: self._stopped or held.push_id in self._lost,
            clock=clock,
        )
        self._threads = ThreadPoolExecutor(self._width, thread_name_prefix=f"push-{target.id}")

    def step(self, target: PushTarget) -> int:
        """Take as many documents in hand as there are free threads; how many."""
        with self._lock:
            free = self._width - len(self._in_hands)
        if free < 1 or self._stopped:
            return 0
        now = self._clock()
        with self._ledger.read() as session:
            if not push_claims.is_due(session, target, now=now):
                return 0
        claims = self._ledger.transact(
            lambda session: push_claims.claim(
                session, self._target_id, owner=self._owner, limit=free, now=now
            )
        )
        for held in claims:
            with self._lock:
                self._in_hands[held.push_id] = held
                self._lost.discard(held.push_id)
            self._threads.submit(self._perform, held)
        return len(claims)

    def renew(self) -> None:
        """Keep what is in hand."""
        with self._lock:
            held = list(self._in_hands.values())
        if held:
            now = self._clock()
            lost = self._ledger.transact(lambda session: push_claims.renew(session, held, now=now))
            with self._lock:
                self._lost |= lost & self._in_hands.keys()

    def stop(self) -> None:
        """Take nothing more in hand, and give back what is in hand between two calls."""
        self._stopped = True

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in hand."""
        return not self._in_hands

    def close(self) -> None:
        """Wait for what is in hand to be given back, and let go."""
        self.stop()
        self._threads.shutdown(wait=True)
        self._target.close()

    def _perform(self, held: PushClaim) -> None:
        """One document; whatever could not be written of it, its lease runs out."""
        has_served = False

        def served() -> None:
            nonlocal has_served
            has_served = True

        try:
            with context.working_on(document=held.document_id):
                self._attempt(held, served, lambda: has_served)
        finally:
            with self._lock:
                self._in_hands.pop(held.push_id, None)
            self._wake()

    def _attempt(
        self, held: PushClaim, served: Callable[[], None], has_served: Callable[[], bool]
    ) -> None:
        try:
            self._work.perform(held, served=served)
        except PushLost:
            logger.info("push %d is no longer ours", held.push_id)
        except Stopped:
            now = self._clock()
            self._settle(held, lambda session: pushes.give_back(session, held, now=now))
        except SQLAlchemyError:
            logger.exception("push %d could not be written down", held.push_id)
        except SyncError as error:
            self._failed(held, error, has_served=has_served())
        except Exception as error:
            logger.exception("push %d failed", held.push_id)
            self._failed(held, SyncError("INTERNAL", detail=type(error).__name__), has_served=False)
        else:
            self._served(held)

    def _failed(self, held: PushClaim, error: SyncError, *, has_served: bool) -> None:
        """Blame the document, or hold the target: then the document is not any worse off."""
        now = self._clock()
        logger.warning("push %d: %s", held.push_id, error)
        if not self._is_away(held, error, has_served=has_served):
            if error.problem.where == "document" and has_served:
                self._served(held)
            self._settle(held, lambda session: pushes.fail(session, held, error, now=now))
            return
        seconds = max(_BEHIND_OTHERS_SECONDS, error.retry_after or 0.0)
        self._settle(
            held,
            lambda session: pushes.give_back(session, held, now=now, seconds=seconds, cause=error),
        )
        self._ledger.transact(
            lambda session: target_holds.hold(
                session, self._target_id, error, probed=held.is_probe, by=self._owner, now=now
            )
        )

    def _is_away(self, held: PushClaim, error: SyncError, *, has_served: bool) -> bool:
        """Whether it says nothing about the document.

        A connection that breaks behind calls that went well may be the document's fault after all:
        a gateway that takes no body of that size. Several documents at once are not.
        """
        if error.problem.where == "document":
            return False
        if error.problem.where == "archive":
            return True
        is_plain = error.code in AWAY and not (has_served and error.code == "TGT_CONNECTION")
        with self._lock:
            self._suspects.add(held.push_id)
            return is_plain or held.is_probe or len(self._suspects) >= _SUSPICIOUS

    def _served(self, held: PushClaim) -> None:
        with self._lock:
            self._suspects.clear()
        if held.is_probe:
            now = self._clock()
            self._ledger.transact(
                lambda session: target_holds.lift(session, self._target_id, by=self._owner, now=now)
            )

    def _settle(self, held: PushClaim, write: Callable[..., None]) -> None:
        try:
            self._ledger.transact(write)
        except PushLost:
            logger.info("push %d is no longer ours", held.push_id)


def settings_of(target: PushTarget) -> object:
    """What must be equal for a lane to go on as it is."""
    return (target.changed_at, target.app_secret_box, target.enabled)
