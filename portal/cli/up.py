"""``imgmig up``: everything in one terminal."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import click

from portal import schema
from portal.cli.opening import log_to, opened, say
from portal.cli.running import parent_option, require_free
from portal.models import utc_now
from portal.services import same_keys, users
from portal.settings import Settings, read_settings
from portal.supervisor import Program, Supervisor

logger = logging.getLogger(__name__)


@click.command("up")
@parent_option
def command() -> None:
    """启动全部进程，Ctrl-C 停止 Start web, workers and agent; Ctrl-C stops them all."""
    settings = read_settings()
    require_free(settings.bind_host, settings.bind_port, "PORTAL_BIND")
    log_to("supervisor", settings)
    password = prepare(settings)
    with Supervisor(programs(settings)) as supervisor:
        _tell(settings, password)
        supervisor.run_until_stopped()


def _tell(settings: Settings, password: str | None) -> None:
    """Where to log in; what is collected as a log gets no password, so that goes into a file."""
    if settings.log_format != "json":
        tell_login(settings, password)
        return
    logger.info("the portal is at %s", settings.address)
    if password is not None:
        file = settings.home / "first-admin.password"
        file.touch(0o600)
        file.write_text(f"{password}\n")
        logger.info("the first admin is %s, its password is in %s", users.FIRST_ADMIN, file)


def prepare(settings: Settings) -> str | None:
    """Bring the ledger up to date and make the first admin; its password when it is new."""
    with opened(settings, current=False) as portal:
        schema.upgrade()
        same_keys.check(portal.ledger, portal.keys(), now=utc_now())
        with portal.ledger.write() as session:
            return users.make_first_admin(session, now=utc_now())


def programs(settings: Settings, logs: Path | None = None) -> Sequence[Program]:
    """The portal's processes; the agent takes the registration back before the others stop."""
    drain = settings.drain_seconds if settings.admin_addresses else 0
    return [
        Program(
            name,
            (name,),
            log=None if logs is None else logs / f"{name}.log",
            drain_seconds=drain if name == "agent" else 0,
        )
        for name in ("web", "worker", "agent")
    ]


def tell_login(settings: Settings, password: str | None) -> None:
    """Where to log in, with a new admin's password (shown this once)."""
    say(f"影像迁移门户 Imaging Migration Portal: {settings.address}")
    if password is None:
        say("忘记密码 forgotten password: imgmig user passwd admin")
    else:
        say(f"首个管理员 first admin: {users.FIRST_ADMIN}")
        say(f"密码（仅显示一次） password (shown once): {password}")
        if settings.makes_token:
            (token,) = settings.access_tokens()
            say(f"执行器令牌 executor token: {token}（另存于 kept in {settings.token_file}）")
