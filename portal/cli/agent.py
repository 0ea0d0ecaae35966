"""``imgmig agent``: what must happen by itself, a step every second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import partial

import click
from sqlalchemy.exc import SQLAlchemyError

from portal import ledger_commits
from portal.cli.key_watch import KeyWatch
from portal.cli.opening import log_to, opened, warn_of_clock
from portal.cli.running import parent_option
from portal.cli.schema_watch import SchemaWatch
from portal.jobs import Following
from portal.ledger import Ledger, this_host
from portal.models import utc_now
from portal.processes import WorkerSlot
from portal.runtime import Portal
from portal.services import (
    beats,
    chores,
    login_tries,
    logins,
    notices,
    source_copies,
    zookeeper_import,
)
from portal.services.clock_steps import draw_back
from portal.services.duties import DutyHolder
from portal.services.throughput import EVERY_SECONDS, take_samples
from portal.settings import read_settings
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
HOSTS_SECONDS = 10.0


@click.command("agent")
@parent_option
def command() -> None:
    """启动代理进程 Executor heartbeat, callbacks, timeouts, and offering due work again."""
    settings = read_settings()
    log_to("agent", settings)
    with (
        opened(settings) as portal,
        StopSignals() as stop,
        closing(WorkerSlot(portal.settings.home, "agent")) as slot,
        portal.executor.talking(),
    ):
        portal.ledger.origin = lambda: f"agent {this_host()}"
        warn_of_clock(portal)
        schema_watch = SchemaWatch(portal.ledger)
        key_watch = KeyWatch(portal.ledger, portal.box.fingerprint)
        cleaner = Cleaner(portal.ledger, portal.archive, portal.settings.home)
        duty = DutyHolder(portal.ledger, "upkeep", slot.name)
        step = partial(_Step, portal.ledger)
        # What each host does for itself, and what is done once for all hosts.
        steps = (
            step(lambda now: _beat(portal, now), every=BEAT_SECONDS),
            step(lambda _now: portal.offer()),
            *(step(work, every=every, when=duty.has) for work, every in _upkeep(portal)),
            step(portal.executor.tick),
            step(cleaner.step, every=CLEAN_SECONDS),
            step(lambda _now: schema_watch.look()),
            step(lambda _now: key_watch.look()),
        )
        with _sealing(portal):
            while not stop.received:
                _round(steps, stop)
            # Admins go on calling for a while, and what was accepted should still end well.
            until = time.monotonic() + portal.executor.leave()
            with StopSignals() as at_once:
                while time.monotonic() < until and not at_once.received:
                    _round(steps, at_once)
        _attempt(portal.ledger, lambda _now: duty.leave())
        _leave(portal)


def _upkeep(portal: Portal) -> Sequence[tuple[Callable[[datetime], object], float]]:
    """What one agent does for all hosts, and every how many seconds."""
    following = Following(portal.ledger, portal.executor, portal.settings.timezone)
    ledger, archive = portal.ledger, portal.archive
    return (
        (following.step, STEP_SECONDS),
        (lambda now: _forget(portal, now), FORGET_SECONDS),
        (lambda now: source_copies.remove_old(ledger, archive, now=now), FORGET_SECONDS),
        (lambda now: _ask_delivery(portal, now), NOTICE_SECONDS),
        (lambda now: _end_of_gone_hosts(portal, now), HOSTS_SECONDS),
        (lambda now: take_samples(ledger, now=now), EVERY_SECONDS),
        (lambda now: _draw_back(portal, now), CLOCK_SECONDS),
    )


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
            _attempt(portal.ledger, keeping.step)
        _attempt(portal.ledger, keeping.close)

    thread = threading.Thread(target=keep, name="sealing")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


class _Step:
    """Something the agent does every so many seconds.

    :param when: asked each time whether it is this agent that does it
    """

    def __init__(
        self,
        ledger: Ledger,
        work: Callable[[datetime], object],
        *,
        every: float = STEP_SECONDS,
        when: Callable[[datetime], bool] = lambda _now: True,
    ) -> None:
        self._ledger = ledger
        self._work = work
        self._every = every
        self._when = when
        self._due = 0.0

    def take(self, began: float) -> None:
        """Do it when it is due."""
        if began < self._due:
            return
        self._due = began + self._every - STEP_SECONDS / 2
        _attempt(self._ledger, lambda now: self._when(now) and self._work(now))


def _attempt(ledger: Ledger, step: Callable[[datetime], object]) -> None:
    """One step; its failure is logged and does not keep the others from happening."""
    try:
        ledger.again(lambda: step(utc_now()))
    except Exception:
        logger.exception("a step of the agent failed")


def _forget(portal: Portal, now: datetime) -> None:
    with portal.ledger.write() as session:
        zookeeper_import.forget_old(session, now=now)
        chores.forget_old(session, now=now)
        beats.forget_gone(session, now=now)
        logins.forget_old(session, now=now, lifetime=portal.settings.session_lifetime)
        login_tries.forget_old(session, now=now)
    with portal.ledger.write() as session:
        ledger_commits.forget_old(session, now=now)


def _beat(portal: Portal, now: datetime) -> None:
    """From the very loop that does the work: an agent that is stuck does not look alive."""
    with portal.ledger.write() as session:
        beats.beat(session, "agent", now=now)


def _leave(portal: Portal) -> None:
    with suppress(SQLAlchemyError), portal.ledger.write() as session:
        beats.leave(session, "agent")


def _ask_delivery(portal: Portal, now: datetime) -> None:
    """Have what is to be told delivered, and what was told long ago forgotten."""
    with portal.ledger.read() as session:
        if not notices.due_notices(session, now=now, limit=1):
            return
    with portal.ledger.write() as session:
        notices.ask_delivery(session, now=now)
        notices.forget_old(session, now=now)


def _end_of_gone_hosts(portal: Portal, now: datetime) -> None:
    """Have nobody wait for what only a host could do that is gone."""
    with portal.ledger.read() as session:
        if not chores.waits_for_gone_host(session, now=now):
            return
    with portal.ledger.write() as session:
        if count := chores.fail_of_gone_hosts(session, now=now):
            logger.warning("%d chores of hosts that are gone ended", count)


def _draw_back(portal: Portal, now: datetime) -> None:
    if waits := draw_back(portal.ledger, now=now):
        logger.warning("the clock was put back: %d waits shortened", waits)
