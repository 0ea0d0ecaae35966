"""A clerk: the process of a worker host that does chores, a few at a time."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from portal.chores.desk import Desk, Later, Stopping
from portal.chores.kinds import KINDS, Kind
from portal.errors import NotAllowed, NotFound, SyncError
from portal.ledger import this_host
from portal.models import utc_now
from portal.runtime import Portal
from portal.secret_box import SecretUnreadable
from portal.services import beats, chores
from portal.services.chores import ChoreLost, Held

logger = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 0.5
_BEAT_SECONDS = 2.0
# Two of either sort at once: a page is not kept waiting, and a host is not overrun.
_HANDS = (True, True, False, False)


class Clerk:
    """Does chores until it is stopped.

    :param kinds: which ones
    """

    def __init__(self, portal: Portal, kinds: Mapping[str, Kind] = KINDS) -> None:
        self.host = this_host()
        self.name = f"{self.host}.clerk-{secrets.token_hex(4)}"
        self._portal = portal
        self._kinds = kinds
        self._stopped = threading.Event()
        self._in_hands: set[tuple[int, int]] = set()

    def stop(self) -> None:
        """Have it end soon; what is not done by then another clerk does anew."""
        self._stopped.set()

    def run(self) -> None:
        """Work until stopped."""
        self._beat()
        hands = [
            threading.Thread(target=self._work, args=(self._of(quick),), name=f"hand-{number}")
            for number, quick in enumerate(_HANDS)
        ]
        for hand in hands:
            hand.start()
        while not self._stopped.wait(_BEAT_SECONDS):
            self._beat()
        for hand in hands:
            hand.join()
        with self._portal.ledger.write() as session:
            chores.leave(session, self.name)
            beats.leave(session, "clerk")

    def do_one(self, kinds: Collection[str]) -> bool:
        """Do the oldest chore of these kinds that waits; False when there is none."""
        if not kinds:
            return False
        ledger = self._portal.ledger
        with ledger.read() as session:
            if not chores.is_due(session, kinds, host=self.host, now=utc_now()):
                return False
        with ledger.write() as session:
            held = chores.claim(session, kinds, clerk=self.name, host=self.host, now=utc_now())
        if held is None:
            return False
        self._in_hands.add((held.chore_id, held.attempt))
        try:
            self._do(held)
        finally:
            # Whatever could not be written of its end: its lease runs out, and it is done anew.
            self._in_hands.discard((held.chore_id, held.attempt))
        return True

    def _of(self, quick: bool) -> Collection[str]:
        return [name for name, kind in self._kinds.items() if kind.quick is quick]

    def _work(self, kinds: Collection[str]) -> None:
        while not self._stopped.is_set():
            try:
                busy = self.do_one(kinds)
            except SQLAlchemyError:
                logger.exception("the clerk could not look for chores")
                busy = False
            if not busy:
                self._stopped.wait(_LOOK_EVERY_SECONDS)

    def _do(self, held: Held) -> None:
        """Perform it and keep what came of it; a failure is kept, too, as its reason."""
        desk = Desk(
            self._portal, held, host=self.host, clerk=self.name, stopping=self._stopped.is_set
        )
        try:
            result = self._kinds[held.kind].perform(desk)
            with self._portal.ledger.write() as session:
                chores.finish(session, held, result, now=utc_now())
        except ChoreLost:
            logger.info("chore %d is no longer ours", held.chore_id)
        except Stopping:
            with self._portal.ledger.write() as session:
                chores.give_back(session, held)
        except Later as later:
            with self._portal.ledger.write() as session:
                until = utc_now() + timedelta(seconds=later.seconds)
                chores.put_off(session, held, until=until)
        except SyncError as error:
            self._fail(held, error.code, error.params)
        except SecretUnreadable:
            self._fail(held, "SECRET_UNREADABLE", {})
        except (NotAllowed, NotFound) as error:
            self._fail(held, "CHORE_REFUSED", {"detail": str(error)})
        except OperationalError:
            raise  # the ledger is away or somebody was first at it: no fault of the chore
        except Exception as error:
            logger.exception("chore %d failed", held.chore_id)
            self._fail(held, "INTERNAL", {"detail": type(error).__name__})

    def _fail(self, held: Held, code: str, params: Mapping[str, object]) -> None:
        try:
            with self._portal.ledger.write() as session:
                chores.fail(session, held, code, params, now=utc_now())
        except ChoreLost:
            logger.info("chore %d is no longer ours", held.chore_id)

    def _beat(self) -> None:
        """Say that it lives; a ledger that is away for a while costs some beats, not the clerk."""
        try:
            with self._portal.ledger.write() as session:
                held = [chore_id for chore_id, _ in tuple(self._in_hands)]
                chores.beat(session, self.name, held, host=self.host, now=utc_now())
                beats.beat(session, "clerk", now=utc_now())
        except SQLAlchemyError:
            logger.exception("the clerk could not say that it is alive")
