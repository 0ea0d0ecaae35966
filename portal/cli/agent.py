"""``imgmig agent``: what must happen by itself, a step every second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import click

from portal.cli.opening import log_to, opened
from portal.cli.running import parent_option
from portal.jobs import Following
from portal.models import utc_now
from portal.supervisor import StopSignals

logger = logging.getLogger(__name__)

STEP_SECONDS = 1.0


@click.command("agent")
@parent_option
def command() -> None:
    """启动代理进程 Executor heartbeat, callbacks, timeouts, and offering due work again."""
    log_to()
    with opened() as portal, StopSignals() as stop, portal.executor.talking():
        following = Following(portal.ledger, portal.executor)
        steps: tuple[Callable[[datetime], None], ...] = (
            lambda _now: portal.offer(),
            following.step,
            portal.executor.tick,
        )
        while not stop.received:
            _round(steps, stop)
        # Admins go on calling for a while, and what was accepted should still end well.
        until = time.monotonic() + portal.executor.leave()
        with StopSignals() as at_once:
            while time.monotonic() < until and not at_once.received:
                _round(steps, at_once)


def _round(steps: Sequence[Callable[[datetime], None]], stop: StopSignals) -> None:
    """Every step once, and the rest of the second."""
    began = time.monotonic()
    for step in steps:
        _attempt(step)
    while not stop.received and time.monotonic() < began + STEP_SECONDS:
        time.sleep(0.05)


def _attempt(step: Callable[[datetime], None]) -> None:
    """One step; its failure is logged and does not keep the others from happening."""
    try:
        step(utc_now())
    except Exception:
        logger.exception("a step of the agent failed")
