"""``imgmig db``."""

from __future__ import annotations

import click

from portal.cli.opening import actor, opened, say


@click.group("db")
def command() -> None:
    """账本结构 The ledger's schema."""


@command.command()
def upgrade() -> None:
    """升级到最新结构 Bring the schema up to date; safe to repeat."""
    from portal import schema  # noqa: PLC0415

    with opened(current=False):
        schema.upgrade()
    say("账本结构已是最新 the schema is up to date")


@command.command("accept-key")
def accept_key() -> None:
    """确认已更换密钥或令牌，各主机此后以本机的为准 Take this host's keys as the ledger's."""
    from portal.models import utc_now  # noqa: PLC0415
    from portal.services import same_keys  # noqa: PLC0415

    with opened(any_key=True) as portal, portal.ledger.write() as session:
        changed = same_keys.accept(session, portal.keys(), by=actor(), now=utc_now())
    say(
        "已登记本机的密钥 this host's keys are the ledger's now"
        if changed
        else "没有变化 no change"
    )
