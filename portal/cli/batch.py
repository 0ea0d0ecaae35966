"""``imgmig batch``: what the page of 迁移批次 can do, for scripts and terminals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import pace_line, watch_batch
from portal.errors import action, reason
from portal.models import Batch, Overlap, utc_now
from portal.models.overlap import overlap_label
from portal.services import batches, reports, retrying, runs, sources
from portal.services.standing import standing
from portal.services.throughput import pace_of
from portal.statuses import label

DAY = click.DateTime(formats=["%Y-%m-%d"])
FAILED_EXIT = 1
_RUNS = 20


@click.group("batch")
def command() -> None:
    """迁移批次 Batches."""


@command.command()
@click.option("--source", required=True, help="数据源名称 The data source's name.")
@click.option("--from", "first", type=DAY, required=True, help="采集开始日（含） First day.")
@click.option("--to", "last", type=DAY, required=True, help="采集结束日（含） Last day, inclusive.")
@click.option("--org", "orgs", multiple=True, help="组织代码，可多次 Organisation code.")
@click.option("--type", "types", multiple=True, help="单据类型代码，可多次 Document type code.")
@click.option(
    "--overlap",
    type=click.Choice([word.value for word in Overlap]),
    default=Overlap.MISSING.value,
    show_default=True,
    help="重叠策略 What to do with documents that earlier batches dealt with: "
    "missing 只补缺失 · missing_and_failed 并重试失败 · all 全部重查.",
)
@click.option("--run", is_flag=True, help="立即运行，否则等待 DataSyncTask Run now.")
@as_json
def create(
    *,
    source: str,
    first: datetime,
    last: datetime,
    orgs: tuple[str, ...],
    types: tuple[str, ...],
    overlap: str,
    run: bool,
    as_json: bool,
) -> None:
    """新增批次 Create a batch; it waits for DataSyncTask unless --run."""
    with opened() as portal:
        with portal.ledger.write() as session:
            scope = batches.BatchScope(
                source_id=sources.find(session, source).id,
                date_from=first.date(),
                date_to=last.date(),
                org_codes=orgs,
                bill_type_codes=types,
                overlap=Overlap(overlap),
            )
            zone = portal.settings.timezone
            batch = batches.create(session, scope, by=actor(), now=utc_now(), zone=zone)
            if run:
                batches.start(session, batch, by=actor(), now=utc_now())
            number = batch.batch_no
        if run:
            portal.offer()
    if as_json:
        say_json({"batch_no": number})
    else:
        say(number)


@command.command("list")
@as_json
def list_batches(as_json: bool) -> None:
    """列出批次 List the newest batches."""
    with opened() as portal, portal.ledger.read() as session:
        zone = portal.settings.timezone
        rows = [
            reports.batch_report(batch, standing(batch, now=utc_now(), zone=zone))
            for batch in batches.newest_first(session)
        ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        say(_line(row))


@command.command()
@click.argument("batch_no")
@as_json
def show(batch_no: str, as_json: bool) -> None:
    """查看批次 Show a batch: its months and its failures by cause."""
    with opened() as portal, portal.ledger.read() as session:
        batch = batches.find(session, batch_no)
        now = standing(batch, now=utc_now(), zone=portal.settings.timezone)
        report = reports.batch_report(batch, now, pace_of(batch, now=utc_now()))
        groups = reports.failure_groups(session, batch.id)
        history = [reports.run_report(run) for run in runs.newest(session, batch.id, limit=_RUNS)]
    if as_json:
        failures = [
            {
                "code": group.code,
                "count": group.count,
                "example": group.image_no,
                "reason": reason(group.code, group.params, "zh"),
                "action": action(group.code, group.params, "zh"),
            }
            for group in groups
        ]
        say_json({**report, "failures": failures, "runs": history})
        return
    say(_line(report))
    say(f"  重叠策略 overlap: {overlap_label(report['overlap'], 'zh')} {report['overlap']}")
    for line in now.lines("zh", portal.settings.timezone):
        say(f"  {line}")
    for hold in now.holds:
        say(f"    处理措施 what to do: {action(hold.code, hold.params, 'zh')}")
    if pace := pace_line(report):
        say(f"  {pace}")
    for month in report["months"]:
        say(
            f"  {month['month']}  {label(month['sync_status'], 'zh')}  "
            f"已同步 {month['done']}/{month['total']}  失败 {month['failed']}"
        )
        if month["error_code"]:
            say(f"    {reason(month['error_code'], month['error_params'], 'zh')}")
            text = action(month["error_code"], month["error_params"], "zh")
            say(f"    处理措施 what to do: {text}")
    for group in groups:
        say(f"  {group.code} ×{group.count}：{reason(group.code, group.params, 'zh')}")
        say(f"    例 example: {group.image_no}")
        say(f"    处理措施 what to do: {action(group.code, group.params, 'zh')}")
    for run in history:
        say(f"  {_run_line(run)}")


def _run_line(run: dict[str, Any]) -> str:
    job = f" logId {run['job_log_id']}" if run["job_log_id"] else ""
    line = f"第 {run['run_no']} 次运行 run {run['run_no']}: {run['started_at']:%Y-%m-%d %H:%M:%SZ}"
    line += f" {run['started_by']}{job}"
    if run["retried"] is not None:
        line += f"，重新同步 retried {run['retried']}"
    if run["outcome"]:
        line += f"，{run['outcome']}，已同步 {run['done']}/{run['total']} 失败 {run['failed']}"
    return line


def _line(row: dict[str, Any]) -> str:
    state = f"{label(row['run_status'], 'zh')} {label(row['sync_status'], 'zh')}"
    if row["paused_by"]:
        state += f"（已暂停 {row['paused_by']}）"
    if row["holds"]:
        state += f"（暂缓 {'、'.join(hold['code'] for hold in row['holds'])}）"
    if row["cancelled_by"]:
        state += f"（已取消 {row['cancelled_by']}）"
    return (
        f"{row['batch_no']}  {row['source']}  {row['from']}…{row['to']}  {state}  "
        f"已同步 {row['done']}/{row['total']}  失败 {row['failed']}"
    )


def _add_action(name: str, text: str, act: Callable[[Session, Batch, datetime], object]) -> None:
    """One command for one thing that can be done with a batch."""

    @command.command(name, help=text)
    @click.argument("batch_no")
    def run_action(batch_no: str) -> None:
        with opened() as portal:
            with portal.ledger.write() as session:
                act(session, batches.find(session, batch_no), utc_now())
            portal.offer()
        say(f"{batch_no} {name}")


_add_action(
    "run",
    "立即运行 Run a waiting batch now.",
    lambda s, b, now: batches.start(s, b, by=actor(), now=now),
)
_add_action("pause", "暂停 Pause.", lambda s, b, now: batches.pause(s, b, by=actor(), now=now))
_add_action("resume", "继续 Resume.", lambda s, b, now: batches.resume(s, b, by=actor(), now=now))
_add_action(
    "lift",
    "暂缓中的批次仍然继续 Have a held batch go on all the same.",
    lambda s, b, now: batches.go_on(s, b, by=actor(), now=now),
)
_add_action(
    "cancel", "取消 Cancel for good.", lambda s, b, now: batches.cancel(s, b, by=actor(), now=now)
)
_add_action(
    "delete",
    "删除（已归档单据保留） Delete; archived documents stay.",
    lambda s, b, now: batches.delete(s, b, by=actor(), now=now),
)


@command.command()
@click.argument("batch_no")
@click.option("--code", help="只限一个错误码 Only the failures of this code.")
@click.option("--month", help="只限一个月份，如 2024-01 Only this month's.")
@click.option(
    "--document", "numbers", multiple=True, help="只限该影像编号，可多次 Only this image number's."
)
@as_json
def retry(
    *, batch_no: str, code: str | None, month: str | None, numbers: tuple[str, ...], as_json: bool
) -> None:
    """重新同步失败任务 Send the failed documents again, all or some."""
    with opened() as portal:
        with portal.ledger.write() as session:
            batch = batches.find(session, batch_no)
            ids = retrying.items_named(session, batch, numbers) if numbers else None
            passed = retrying.not_failed(session, batch, ids or ())
            count = retrying.retry(
                session, batch, by=actor(), now=utc_now(), code=code, month=month, item_ids=ids
            )
        portal.offer()
    if as_json:
        say_json({"batch_no": batch_no, "documents": count, "not_failed": dict(passed)})
        return
    say(f"{batch_no} 重新同步 retrying: {count}")
    for image_no, status in passed:
        say(f"  不是失败状态 not failed: {image_no} {label(status, 'zh')} {status}")


@command.command()
@click.argument("batch_no")
@as_json
def watch(batch_no: str, as_json: bool) -> None:
    """跟踪到结束 Watch until the end; exits 0 when all is synced, else 1."""
    with opened() as portal:
        report = watch_batch(portal, batch_no, quiet=as_json)
    if as_json:
        say_json(report)
    raise click.exceptions.Exit(0 if report["sync_status"] == "complete" else FAILED_EXIT)
