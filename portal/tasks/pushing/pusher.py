"""A pusher: the process of a host that pushes archived documents on to their targets.

Any number of hosts may have one. What is to be pushed is found by the one that has the duty; the
documents are claimed one by one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import PushTarget, utc_now
from portal.secret_box import SecretBox, SecretUnreadable
from portal.services import beats, push_claims, push_targets, target_holds
from portal.services.duties import DutyHolder
from portal.services.push_enrolment import Enrolment
from portal.sync.archive.base import Archive
from portal.tasks.pushing.lane import Lane, settings_of

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_RENEW_SECONDS = 8.0
_BEAT_SECONDS = 5.0


class Pusher:
    """Pushes to every enabled target until it is stopped.

    :param owner: the slot's name: what it holds is from an earlier life
    :param home: of the installation
    :param monotonic: seconds that only grow
    """

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        box: SecretBox,
        *,
        owner: str,
        home: Path,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._box = box
        self._owner = owner
        self._home = home
        self._clock = clock
        self._monotonic = monotonic
        self._lanes: dict[int, Lane] = {}
        self._closing: list[Lane] = []
        self._awake = threading.Event()
        self._stopped = False
        self._enrolment = Enrolment(ledger, owner)
        self._duty = DutyHolder(ledger, "pushing", owner, clock=monotonic)
        self._renewed = self._beaten = self._looked = float("-inf")

    def stop(self) -> None:
        """Have it end soon; what is in hand is given back."""
        self._stopped = True
        self._awake.set()

    @property
    def is_idle(self) -> bool:
        """Whether no document is in hand."""
        return all(lane.is_idle for lane in (*self._lanes.values(), *self._closing))

    def run(self) -> None:
        """Work until stopped; a ledger that is away for a while costs some time, nothing else."""
        self._quietly(self.free)
        while not self._stopped:
            self._quietly(self.step)
            self._awake.wait(_LOOK_SECONDS)
            self._awake.clear()
        self.close()
        self._quietly(self._duty.leave)
        self._quietly(lambda: self._ledger.transact(lambda session: beats.leave(session, "pusher")))

    def close(self) -> None:
        """Give back what is in hand, and let go of the targets."""
        for lane in (*self._lanes.values(), *self._closing):
            lane.stop()
        for lane in (*self._lanes.values(), *self._closing):
            self._quietly(lane.close)
        self._lanes.clear()
        self._closing.clear()

    def step(self) -> int:
        """Take what is due, and find what more is to be pushed; how many documents were taken."""
        taken = self._pulse()
        began = self._monotonic()
        if began - self._looked >= _LOOK_SECONDS:
            self._looked = began
            now = self._clock()
            if self._duty.has(now) and self._enrolment.step(now, between=self._pulse):
                taken += self._pulse()
        return taken

    def _pulse(self) -> int:
        """What must not wait for anything: to say that it lives, to keep and to take documents."""
        now, began = self._clock(), self._monotonic()
        if began - self._beaten >= _BEAT_SECONDS:
            self._beaten = began
            self._ledger.transact(lambda session: beats.beat(session, "pusher", now=now))
        if began - self._renewed >= _RENEW_SECONDS:
            self._renewed = began
            for lane in (*self._lanes.values(), *self._closing):
                lane.renew()
        with self._ledger.read() as session:
            targets = push_targets.all_targets(session, enabled_only=True)
        self._close_lanes({target.id: settings_of(target) for target in targets})
        return sum(self._take(target) for target in targets)

    def _take(self, target: PushTarget) -> int:
        lane = self._lanes.get(target.id)
        if lane is None:
            try:
                lane = Lane(
                    self._ledger,
                    self._archive,
                    target,
                    self._box,
                    owner=self._owner,
                    home=self._home,
                    wake=self._awake.set,
                    clock=self._clock,
                )
            except SecretUnreadable:
                self._hold(target, SyncError("SECRET_UNREADABLE"))
                return 0
            self._lanes[target.id] = lane
        return lane.step(target)

    def _hold(self, target: PushTarget, cause: SyncError) -> None:
        now = self._clock()
        if target.probe_at is None or target.probe_at <= now:
            self._ledger.transact(
                lambda session: target_holds.hold(
                    session, target.id, cause, probed=True, by=self._owner, now=now
                )
            )

    def _close_lanes(self, wanted: dict[int, object]) -> None:
        """Those whose target was changed or is no longer to be pushed to."""
        for target_id, lane in [*self._lanes.items()]:
            if wanted.get(target_id) != lane.settings:
                lane.stop()
                self._closing.append(self._lanes.pop(target_id))
        for lane in [*self._closing]:
            if lane.is_idle:
                lane.close()
                self._closing.remove(lane)

    def free(self) -> None:
        """Free what an earlier life of this pusher held."""
        now = self._clock()
        self._ledger.transact(lambda session: push_claims.free_owner(session, self._owner, now=now))

    def _quietly(self, work: Callable[[], object]) -> None:
        try:
            work()
        except SQLAlchemyError:
            logger.exception("the pusher could not reach the ledger")
        except Exception:
            logger.exception("a step of the pusher failed")
