"""``imgmig user``."""

from __future__ import annotations

import click

from portal.cli.opening import actor, opened, say
from portal.models import Role, utc_now
from portal.services import users

ROLES = click.Choice([role.value for role in Role])


@click.group("user")
def command() -> None:
    """用户 Accounts."""


@command.command()
@click.argument("name")
@click.option("--role", type=ROLES, default=Role.OPERATOR.value, show_default=True)
@click.option("--password", help="不给则生成并显示一次 Made and shown once when not given.")
def add(name: str, role: str, password: str | None) -> None:
    """新增用户 Add an account."""
    chosen = password or users.random_password()
    with opened() as portal, portal.ledger.write() as session:
        users.add(session, name, role=Role(role), password=chosen, by=actor(), now=utc_now())
    _tell(name, chosen, shown=password is None)


@command.command()
@click.argument("name")
@click.option("--password", help="不给则生成并显示一次 Made and shown once when not given.")
def passwd(name: str, password: str | None) -> None:
    """重设密码 Set a new password."""
    chosen = password or users.random_password()
    with opened() as portal, portal.ledger.write() as session:
        users.set_password(session, name, password=chosen, by=actor(), now=utc_now())
    _tell(name, chosen, shown=password is None)


def _tell(name: str, password: str, *, shown: bool) -> None:
    say(f"用户 {name} 已保存 saved" + (f"，密码 password: {password}" if shown else ""))
