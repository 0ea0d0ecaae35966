"""``imgmig db``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from sqlalchemy import inspect

from portal.cli.opening import actor, opened, say
from portal.errors import SyncError
from portal.models import ProcessBeat, utc_now
from portal.services import beats

if TYPE_CHECKING:
    from portal.runtime import Portal


@click.group("db")
def command() -> None:
    """账本结构 The ledger's schema."""


@command.command()
def upgrade() -> None:
    """升级到最新结构 Bring the schema up to date; safe to repeat, and while processes run.

    旧版本的进程在新结构上继续工作，再逐个重启；做不到时拒绝，并说明要停什么。

    Processes of the release before go on working; when they could not, it refuses and says so.
    """
    from portal import schema  # noqa: PLC0415

    with opened(current=False) as portal:
        if schema.stops_programs(portal.ledger) and (living := _living(portal)):
            raise SyncError("SCHEMA_IN_USE", who=", ".join(living))
        schema.upgrade()
    say("账本结构已是最新 the schema is up to date")


def _living(portal: Portal) -> list[str]:
    """Processes that were seen lately, and have not said goodbye."""
    with portal.ledger.read() as session:
        if not inspect(session.connection()).has_table(ProcessBeat.__tablename__):
            return []  # a ledger so old that nothing of today has ever worked on it
        alive = beats.alive(session, now=utc_now())
        return sorted({f"{one.host} {one.kind}" for one in alive})


@command.command("accept-key")
def accept_key() -> None:
    """确认已更换密钥或令牌，各主机此后以本机的为准 Take this host's keys as the ledger's."""
    from portal.services import same_keys  # noqa: PLC0415

    with opened(any_key=True) as portal, portal.ledger.write() as session:
        changed = same_keys.accept(session, portal.keys(), by=actor(), now=utc_now())
    say(
        "已登记本机的密钥 this host's keys are the ledger's now"
        if changed
        else "没有变化 no change"
    )
