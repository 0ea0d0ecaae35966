"""``imgmig agent``: what must happen by itself, a step every second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from portal.cli.opening import log_to, opened
from portal.cli.running import parent_option
from portal.jobs import Following
from portal.ledger import this_host
from portal.models import utc_now
from portal.runtime import Portal
from portal.supervisor import StopSignals
from portal.tasks.audit_keeping import AuditKeeping

logger = logging.getLogger(__name__)

STEP_SECONDS = 1.0


@click.command("agent")
@parent_option
def command() -> None:
    """启动代理进程 Executor heartbeat, callbacks, timeouts, and offering due work again."""
    log_to()
    with opened() as portal, StopSignals() as stop:
        portal.ledger.origin = lambda: f"agent {this_host()}"
        following = Following(portal.ledger, portal.executor)
        steps: tuple[Callable[[datetime], None], ...] = (
            lambda _now: portal.offer(),
            following.step,
            portal.executor.tick,
        )
        with _sealing(portal):
            while not stop.received:
                began = time.monotonic()
                for step in steps:
                    _attempt(step)
                while not stop.received and time.monotonic() < began + STEP_SECONDS:
                    time.sleep(0.05)
        portal.executor.close()


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


def _attempt(step: Callable[[datetime], None]) -> None:
    """One step; its failure is logged and does not keep the others from happening."""
    try:
        step(utc_now())
    except Exception:
        logger.exception("a step of the agent failed")
