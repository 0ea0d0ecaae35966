"""``imgmig agent``: what must happen by itself, a step every second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

import click
from sqlalchemy.exc import SQLAlchemyError

from portal.cli.opening import log_to, opened
from portal.cli.running import parent_option
from portal.cli.schema_watch import SchemaWatch
from portal.jobs import Following
from portal.ledger import this_host
from portal.models import utc_now
from portal.runtime import Portal
from portal.services import beats, chores, notices
from portal.services.clock_steps import draw_back
from portal.services.throughput import EVERY_SECONDS, take_samples
from portal.supervisor import StopSignals
from portal.tasks.audit_keeping import AuditKeeping
from portal.tasks.cleaning import Cleaner

logger = logging.getLogger(__name__)

STEP_SECONDS = 1.0
CLEAN_SECONDS = 3.0
CLOCK_SECONDS = 10.0
NOTICE_SECONDS = 2.0
FORGET_SECONDS = 600.0
BEAT_SECONDS = 2.0


@click.command("agent")
@parent_option
def command() -> None:
    """启动代理进程 Executor heartbeat, callbacks, timeouts, and offering due work again."""
    log_to()
    with opened() as portal, StopSignals() as stop, portal.executor.talking():
        portal.ledger.origin = lambda: f"agent {this_host()}"
        following = Following(portal.ledger, portal.executor, portal.settings.timezone)
        schema_watch = SchemaWatch(portal.ledger)
        cleaner = Cleaner(portal.ledger, portal.archive, portal.settings.home)
        steps = (
            _Step(lambda now: _beat(portal, now), every=BEAT_SECONDS),
            _Step(lambda _now: portal.offer()),
            _Step(following.step),
            _Step(lambda now: _forget_old(portal, now), every=FORGET_SECONDS),
            _Step(lambda now: _ask_delivery(portal, now), every=NOTICE_SECONDS),
            _Step(portal.executor.tick),
            _Step(cleaner.step, every=CLEAN_SECONDS),
            _Step(lambda now: take_samples(portal.ledger, now=now), every=EVERY_SECONDS),
            _Step(lambda now: _draw_back(portal, now), every=CLOCK_SECONDS),
            _Step(lambda _now: schema_watch.look()),
        )
        with _sealing(portal):
            while not stop.received:
                _round(steps, stop)
            # Admins go on calling for a while, and what was accepted should still end well.
            until = time.monotonic() + portal.executor.leave()
            with StopSignals() as at_once:
                while time.monotonic() < until and not at_once.received:
                    _round(steps, at_once)
        _leave(portal)


def _round(steps: Sequence[_Step], stop: StopSignals) -> None:
    """Every step that is due once, and the rest of the second."""
    began = time.monotonic()
    for step in steps:
        step.take(began)
    while not stop.received and time.monotonic() < began + STEP_SECONDS:
        time.sleep(0.05)


@contextmanager
def _sealing(portal: Portal) -> Iterator[None]:
    """Seal the trail in a thread of its own: an admin that does not answer holds the other steps
    up for longer than events may stay unsealed.
    """
    keeping = AuditKeeping(portal.ledger, portal.queue, portal.seal_key, home=portal.settings.home)
    stopped = threading.Event()

    def keep() -> None:
        while not stopped.wait(STEP_SECONDS):
            _attempt(keeping.step)
        _attempt(keeping.close)

    thread = threading.Thread(target=keep, name="sealing")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


class _Step:
    """Something the agent does every so many seconds."""

    def __init__(self, work: Callable[[datetime], object], *, every: float = STEP_SECONDS) -> None:
        self._work = work
        self._every = every
        self._due = 0.0

    def take(self, began: float) -> None:
        """Do it when it is due."""
        if began < self._due:
            return
        self._due = began + self._every - STEP_SECONDS / 2
        _attempt(self._work)


def _attempt(step: Callable[[datetime], object]) -> None:
    """One step; its failure is logged and does not keep the others from happening."""
    try:
        step(utc_now())
    except Exception:
        logger.exception("a step of the agent failed")


def _beat(portal: Portal, now: datetime) -> None:
    """From the very loop that does the work: an agent that is stuck does not look alive."""
    with portal.ledger.write() as session:
        beats.beat(session, "agent", now=now)


def _leave(portal: Portal) -> None:
    with suppress(SQLAlchemyError), portal.ledger.write() as session:
        beats.leave(session, "agent")


def _forget_old(portal: Portal, now: datetime) -> None:
    with portal.ledger.write() as session:
        chores.forget_old(session, now=now)
        beats.forget_gone(session, now=now)


def _ask_delivery(portal: Portal, now: datetime) -> None:
    """Have what is to be told delivered, and what was told long ago forgotten."""
    with portal.ledger.read() as session:
        if not notices.due_notices(session, now=now, limit=1):
            return
    with portal.ledger.write() as session:
        notices.ask_delivery(session, now=now)
        notices.forget_old(session, now=now)


def _draw_back(portal: Portal, now: datetime) -> None:
    if waits := draw_back(portal.ledger, now=now):
        logger.warning("the clock was put back: %d waits shortened", waits)
