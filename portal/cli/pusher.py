"""``imgmig pusher``: pushes archived documents on to their targets."""

from __future__ import annotations

import threading
from contextlib import closing

import click

from portal.cli.key_watch import KeyWatch
from portal.cli.opening import log_to, opened, warn_of_clock
from portal.cli.running import parent_option
from portal.cli.schema_watch import SchemaWatch
from portal.processes import WorkerSlot
from portal.settings import read_settings
from portal.supervisor import StopSignals
from portal.tasks.pushing.pusher import Pusher

# How soon a signal is noticed.
_SIGNAL_SECONDS = 0.2


@click.command("pusher")
@parent_option
def command() -> None:
    """启动推送进程 Push archived documents on to their targets.

    有启用的目标时，worker 会自动启动它 A worker starts it when a target is enabled.
    """
    settings = read_settings()
    log_to("pusher", settings)
    with (
        opened(settings) as portal,
        StopSignals() as stop,
        closing(WorkerSlot(settings.home, "pusher")) as slot,
    ):
        warn_of_clock(portal)
        portal.ledger.origin = lambda: slot.name
        pusher = Pusher(
            portal.ledger, portal.archive, portal.box, owner=slot.name, home=settings.home
        )
        thread = threading.Thread(target=pusher.run, name="pusher")
        thread.start()
        watch = SchemaWatch(portal.ledger)
        key_watch = KeyWatch(portal.ledger, portal.box.fingerprint)
        while thread.is_alive() and not stop.received:
            thread.join(_SIGNAL_SECONDS)
            watch.look()
            key_watch.look()
        pusher.stop()
        thread.join()
