"""``imgmig ready``: whether this installation, or one kind of process on this host, can work.

For systemd, Docker and people: exit code 0 when it can, 1 when it cannot, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import click

from portal.cli.opening import as_json, opened, say, say_json

if TYPE_CHECKING:
    from portal.services.beats import Kind
    from portal.services.readiness.checks import Check

KINDS = ("web", "worker", "clerk", "agent", "pusher")
NOT_READY = 1


@click.command("ready")
@click.option(
    "--process",
    "kind",
    type=click.Choice(KINDS),
    help="只看本机的这种进程 Only whether this host has a living process of this kind.",
)
@as_json
def command(kind: str | None, as_json: bool) -> None:
    """能否工作，退出码 0 能、1 不能 Whether it can work: exit code 0, or 1 and why.

    最多等 3 秒 It takes three seconds at most, whatever hangs.
    """
    with opened(current=False) as portal:
        from portal.services.readiness.ledger import LedgerChecks  # noqa: PLC0415 - heavy
        from portal.services.readiness.watching import Family, Readiness  # noqa: PLC0415

        readiness = portal.readiness
        if kind is not None:
            look = partial(LedgerChecks(portal.ledger).of_this_host, cast("Kind", kind))
            readiness = Readiness((Family((kind,), look, fresh_seconds=0.0),))
        checks = readiness.look()
    if as_json:
        said = [check.as_private() for check in checks]
        say_json({"ready": all(check.ok for check in checks), "checks": said})
    else:
        _tell(checks)
    if not all(check.ok for check in checks):
        raise click.exceptions.Exit(NOT_READY)


def _tell(checks: Sequence[Check]) -> None:
    for check in checks:
        detail = f"（{check.detail[0]}）" if check.detail[0] else ""
        mark = "正常 ok  " if check.ok else "失败 FAIL"
        why = "" if check.ok else f"{check.code} {check.text('zh')} {check.text('en')}"
        say(f"{mark}\t{check.name}\t{why}{detail}")
        if not check.ok:
            say(f"    处理措施 what to do: {check.todo('zh')} {check.todo('en')}")
