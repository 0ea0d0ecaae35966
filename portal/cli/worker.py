"""``imgmig worker``: single-thread Huey consumers and a clerk under one supervisor.

Why processes of our own and not Huey's: its process workers are daemonic and may have no
children (the checks need some), and they live on when their consumer is killed.
"""

from __future__ import annotations

import threading
from contextlib import closing

import click

from portal.cli.opening import log_to, opened, warn_of_clock
from portal.cli.running import parent_option
from portal.processes import WorkerSlot
from portal.settings import Settings, read_settings
from portal.supervisor import Program, StopSignals, Supervisor

# How soon a signal is noticed.
_SIGNAL_SECONDS = 0.2


@click.command("worker")
@click.option("--one", is_flag=True, hidden=True, help="One consumer, no supervisor.")
@click.option("--clerk", is_flag=True, hidden=True, help="One clerk, no supervisor.")
@parent_option
def command(one: bool, clerk: bool) -> None:
    """启动工作进程 Run PORTAL_WORKERS workers under one supervisor."""
    settings = read_settings()
    log_to("worker" if one else "clerk" if clerk else "supervisor", settings)
    if one:
        _be_one(settings)
        return
    if clerk:
        _be_clerk(settings)
        return
    programs = [Program("worker", ("worker", "--one")) for _ in range(settings.workers)]
    programs.append(Program("clerk", ("worker", "--clerk")))
    with Supervisor(programs) as supervisor:
        supervisor.run_until_stopped()


def _be_one(settings: Settings) -> None:
    # The supervisor itself loads none of this: it only starts processes.
    from portal.cli.consumer import consume  # noqa: PLC0415

    with opened(settings) as portal, closing(WorkerSlot(settings.home)) as slot:
        consume(portal, slot)


def _be_clerk(settings: Settings) -> None:
    from portal.chores.clerk import Clerk  # noqa: PLC0415
    from portal.cli.key_watch import KeyWatch  # noqa: PLC0415
    from portal.cli.pusher_keeping import PusherKeeper  # noqa: PLC0415
    from portal.cli.schema_watch import SchemaWatch  # noqa: PLC0415

    with opened(settings) as portal, StopSignals() as stop:
        warn_of_clock(portal)
        clerk = Clerk(portal)
        portal.ledger.origin = lambda: clerk.name
        thread = threading.Thread(target=clerk.run, name="clerk")
        thread.start()
        watch = SchemaWatch(portal.ledger)
        key_watch = KeyWatch(portal.ledger, portal.box.fingerprint)
        pusher = PusherKeeper(portal.ledger)
        while thread.is_alive() and not stop.received:
            thread.join(_SIGNAL_SECONDS)
            watch.look()
            key_watch.look()
            pusher.look()
        clerk.stop()
        pusher.close()
        thread.join()
