"""``imgmig db``."""

from __future__ import annotations

import click

from portal.cli.opening import opened, say


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
