"""``imgmig preflight``: 确保前提 from this host, and the items that a person confirms."""

from __future__ import annotations

from datetime import date, datetime

import click

from portal.cli.filters import DAY
from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.ledger import this_host
from portal.models import utc_now
from portal.services import preflight_ticks, preflights, sources
from portal.services.preflight_items import BY_HAND, kept
from portal.services.preflight_making import made_here

FAILED_EXIT = 1
_MARKS = {"ok": "通过 pass", "warning": "注意 warn", "failed": "失败 FAIL", "skipped": "未查 skip"}

_source = click.option("--source", required=True, help="数据源名称 The data source's name.")
_item = click.argument("item", type=click.Choice([*BY_HAND]))


@click.group("preflight", invoke_without_command=True)
@click.option("--source", help="数据源名称 The data source's name.")
@click.option("--from", "first", type=DAY, help="估算空间的开始日 First day of the estimate.")
@click.option("--to", "last", type=DAY, help="结束日（含） Its last day, inclusive.")
@as_json
@click.pass_context
def command(
    context: click.Context,
    *,
    source: str | None,
    first: datetime | None,
    last: datetime | None,
    as_json: bool,
) -> None:
    """确保前提：从本机检查一个数据源 Check what a data source's migration needs, from this host.

    有失败的项时退出码为 1 The exit code is 1 when an item fails.
    """
    if context.invoked_subcommand is not None:
        return
    if source is None:
        raise click.UsageError("须给出 --source；--source is needed")
    days = (first.date() if first else preflights.FIRST_DAY, last.date() if last else None)
    if days[1] is not None and days[1] < days[0]:
        raise click.UsageError("--to 早于 --from；--to is before --from")
    with opened() as portal:
        from portal.tasks import preflighting  # noqa: PLC0415 - heavy; not for --help

        today = utc_now().astimezone(portal.settings.timezone).date()
        span: tuple[date, date] = (days[0], days[1] or max(today, days[0]))
        with portal.ledger.read() as session:
            source_id = sources.find(session, source).id
        installation = preflighting.Installation(
            portal.queue, portal.executor, portal.settings.admin_addresses
        )
        host = this_host()
        preflight_id = preflighting.ask(
            portal.ledger,
            installation,
            source_id,
            days=span,
            by=actor(),
            clock=utc_now,
            host=host,
        )
        findings = made_here(
            portal.ledger,
            preflight_id,
            box=portal.box,
            archive=portal.archive,
            home=portal.settings.home,
            zone=portal.settings.timezone,
            clock=utc_now,
        )
        with portal.ledger.write() as session:
            preflights.record(session, preflight_id, host, findings, by=actor(), now=utc_now())
        with portal.ledger.read() as session:
            (one,) = preflights.told(
                session, [preflights.find(session, preflight_id)], now=utc_now()
            )
            by_hand = preflight_ticks.ticked(session, source_id)
    if as_json:
        say_json(
            {
                "source": source,
                "state": one.state,
                "hosts": [
                    {"host": seen.host or None, "state": seen.state, "items": kept(seen.findings)}
                    for seen in one.hosts
                ],
                "by_hand": {
                    item: tick
                    and {"by": tick.ticked_by, "at": tick.ticked_at, "remark": tick.remark}
                    for item, tick in by_hand.items()
                },
            }
        )
    else:
        for seen in one.hosts:
            say(seen.host or "整个安装 whole installation")
            for finding in seen.findings:
                say(f"  {_MARKS[finding.state]}\t{finding.check}\t{finding.zh} {finding.en}")
                if finding.todo_zh:
                    say(f"    处理措施 what to do: {finding.todo_zh} {finding.todo_en}")
        for item, (zh, en) in BY_HAND.items():
            tick = by_hand[item]
            who = f"{tick.ticked_by}: {tick.remark}" if tick else "待人工确认 to be ticked by hand"
            say(f"{zh} {en}\t{item}\t{who}")
    if one.state == "failed":
        raise click.exceptions.Exit(FAILED_EXIT)


@command.command()
@_item
@_source
@click.option("--remark", required=True, help="如何确认的 How it was confirmed.")
def tick(item: str, source: str, remark: str) -> None:
    """人工确认一项 Say that an item is met: version 版本一致, licence 许可已导入."""
    with opened() as portal, portal.ledger.write() as session:
        found = sources.get(session, sources.find(session, source).id, lock=True)
        preflight_ticks.tick(session, found, item, remark=remark, by=actor(), now=utc_now())
    say(f"{item} 已确认 ticked")


@command.command()
@_item
@_source
@click.option("--remark", default="", help="原因 Why.")
def withdraw(item: str, source: str, remark: str) -> None:
    """撤销人工确认 Take a tick back."""
    with opened() as portal, portal.ledger.write() as session:
        found = sources.get(session, sources.find(session, source).id, lock=True)
        preflight_ticks.withdraw(session, found, item, why=remark, by=actor(), now=utc_now())
    say(f"{item} 已撤销 withdrawn")
