"""``imgmig user``."""

from __future__ import annotations

import os
import sys

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.models import Role, utc_now
from portal.services import users

ROLES = click.Choice([role.value for role in Role])
_WORDS = {
    Role.ADMIN: "管理员 admin",
    Role.OPERATOR: "操作员 operator",
    Role.AUDITOR: "审计员 auditor",
}
_GIVEN = "USER_PASSWORD"
# Whoever lists the processes of a host sees their arguments.
_asks = click.option(
    "--password",
    "asks",
    is_flag=True,
    help="自己定密码：提示输入，或从标准输入读一行"
    f" Asked for, or a line of stdin. 不给则取自环境变量 or from {_GIVEN}；"
    "都没有则生成并显示一次 else made and shown once.",
)


@click.group("user")
def command() -> None:
    """用户 Accounts."""


@command.command()
@click.argument("name")
@click.option("--role", type=ROLES, default=Role.OPERATOR.value, show_default=True)
@_asks
def add(name: str, role: str, asks: bool) -> None:
    """新增用户 Add an account."""
    given = _given(asks)
    chosen = users.random_password() if given is None else given
    with opened() as portal, portal.ledger.write() as session:
        users.add(session, name, role=Role(role), password=chosen, by=actor(), now=utc_now())
    _tell(name, chosen, shown=given is None)


@command.command()
@click.argument("name")
@_asks
def passwd(name: str, asks: bool) -> None:
    """重设密码，原有的登录随即失效 Set a new password, which ends the sessions of the old one."""
    given = _given(asks)
    chosen = users.random_password() if given is None else given
    with opened() as portal, portal.ledger.write() as session:
        users.set_password(session, name, password=chosen, by=actor(), now=utc_now())
    _tell(name, chosen, shown=given is None)


@command.command("list")
@as_json
def list_users(as_json: bool) -> None:
    """列出用户 List the accounts."""
    with opened() as portal, portal.ledger.read() as session:
        found = users.all_users(session)
    if as_json:
        say_json(
            [
                {
                    "name": user.name,
                    "role": user.role,
                    "enabled": user.enabled,
                    "created_at": user.created_at.isoformat(),
                }
                for user in found
            ]
        )
        return
    for user in found:
        state = "启用 enabled" if user.enabled else "停用 disabled"
        say(f"{user.name}\t{_WORDS[user.role]}\t{state}")


@command.command()
@click.argument("name")
def disable(name: str) -> None:
    """停用，其登录随即失效 Disable an account; who is logged in is out at once."""
    _set_enabled(name, enabled=False)
    say(f"用户 {name} 已停用 disabled")


@command.command()
@click.argument("name")
def enable(name: str) -> None:
    """启用 Enable an account."""
    _set_enabled(name, enabled=True)
    say(f"用户 {name} 已启用 enabled")


@command.command("role")
@click.argument("name")
@click.argument("role", type=ROLES)
def set_role(name: str, role: str) -> None:
    """更改角色 Change an account's role."""
    with opened() as portal, portal.ledger.write() as session:
        user = users.find(session, name)
        users.set_role(session, user, Role(role), by=actor(), now=utc_now())
    say(f"用户 {name}: {_WORDS[Role(role)]}")


@command.command()
@click.argument("name")
def logout(name: str) -> None:
    """结束其全部登录 End all logins of an account, wherever they are; it may log in again."""
    with opened() as portal, portal.ledger.write() as session:
        ended = users.end_logins(session, users.find(session, name), by=actor(), now=utc_now())
    say(f"用户 {name}: 已结束 {ended} 个登录 logins ended")


def _given(asks: bool) -> str | None:
    """The password that somebody wants, from where nobody else on the host sees it."""
    if not asks:
        return os.environ.get(_GIVEN) or None
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    said: str = click.prompt(
        "密码 password", hide_input=True, confirmation_prompt="再输入一次 again", err=True
    )
    return said


def _set_enabled(name: str, *, enabled: bool) -> None:
    with opened() as portal, portal.ledger.write() as session:
        user = users.find(session, name)
        users.set_enabled(session, user, enabled=enabled, by=actor(), now=utc_now())


def _tell(name: str, password: str, *, shown: bool) -> None:
    say(f"用户 {name} 已保存 saved" + (f"，密码 password: {password}" if shown else ""))
