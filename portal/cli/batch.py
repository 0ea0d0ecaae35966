"""``imgmig batch``: what the page of 迁移批次 can do, for scripts and terminals."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from portal.cli import batch_scan
from portal.cli.batch_list import batch_line, list_batches
from portal.cli.batch_preview import TWIN, show_preview
from portal.cli.batch_push import push_status
from portal.cli.failures import USER_ERROR
from portal.cli.filters import DAY, MONTH
from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import pace_line, watch_batch
from portal.errors import action, reason
from portal.models import Batch, Overlap, Priority, utc_now
from portal.models.overlap import overlap_label
from portal.services import (
    batches,
    failure_groups,
    fetches,
    preflight_gate,
    previews,
    push_targets,
    reports,
    retrying,
    runs,
    sources,
)
from portal.services.chosen_batches import act_on_each
from portal.services.selection import Selection
from portal.services.standing import standing
from portal.services.throughput import pace_of
from portal.statuses import label

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
@click.option(
    "--override-preflight",
    metavar="REASON",
    help="确保前提未通过时仍然新建的理由，记入操作日志 Why to go on though the preflight failed.",
)
@click.option(
    "--priority",
    type=click.Choice([word.value for word in Priority]),
    default=Priority.NORMAL.value,
    show_default=True,
    help="优先级 Which batches idle workers turn to first.",
)
@click.option("--push-to", help="归档后推送到该目标 The target that archived documents go on to.")
@click.option(
    "--preview", is_flag=True, help="只预览，不创建 Tell what it would do and create nothing."
)
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
    override_preflight: str | None,
    priority: str,
    push_to: str | None,
    preview: bool,
    as_json: bool,
) -> None:
    """新增批次 Create a batch; it waits for DataSyncTask unless --run."""
    with opened() as portal:
        with portal.ledger.read() as session:
            scope = batches.BatchScope(
                source_id=sources.find(session, source).id,
                date_from=first.date(),
                date_to=last.date(),
                org_codes=orgs,
                bill_type_codes=types,
                overlap=Overlap(overlap),
            )
            twin = previews.twin(session, scope)
        if preview:
            show_preview(portal, scope, as_json=as_json)
            return
        if twin is not None:
            _mind_twin(twin.batch_no)

        def make(session: Session) -> tuple[str, preflight_gate.Standing]:
            batch = batches.create(
                session,
                scope,
                by=actor(),
                now=utc_now(),
                zone=portal.settings.timezone,
                priority=Priority(priority),
                push_to=push_targets.find(session, push_to) if push_to else None,
            )
            gate = preflight_gate.require(
                session,
                scope.source_id,
                by=actor(),
                now=utc_now(),
                batch_id=batch.id,
                override_reason=override_preflight,
                may_override=True,  # who may use the commands has the ledger in their hands
            )
            if run:
                batches.start(session, batch, by=actor(), now=utc_now())
            return batch.batch_no, gate

        number, gate = portal.ledger.transact(make)
        if run:
            portal.offer()
    if gate.state in ("missing", "old"):
        click.echo(
            "提示 note: 前提没有检查过或已过时 the preflight is missing or old; "
            f"imgmig preflight --source {source}",
            err=True,
        )
    if as_json:
        say_json({"batch_no": number})
    else:
        say(number)


def _mind_twin(batch_no: str) -> None:
    """Ask who sits at a terminal whether the twin of an unfinished batch is meant; tell a script.

    :raises click.Abort: when it is not
    """
    text = f"{TWIN}: {batch_no}"
    if sys.stdin.isatty():
        click.confirm(f"{text}；仍然新建 create another", abort=True, err=True)
    else:
        click.echo(text, err=True)


@command.command()
@click.argument("batch_no")
@click.argument("word", metavar="high|normal|low", type=click.Choice([*map(str, Priority)]))
def priority(batch_no: str, word: str) -> None:
    """修改优先级 Prefer the batch to others, or others to it."""
    with opened() as portal, portal.ledger.write() as session:
        batch = batches.find(session, batch_no)
        batches.set_priority(session, batch, Priority(word), by=actor(), now=utc_now())
    say(f"{batch_no} {word}")


@command.command()
@click.argument("batch_no")
@as_json
def show(batch_no: str, as_json: bool) -> None:
    """查看批次 Show a batch: its months and its failures by cause."""
    with opened() as portal, portal.ledger.read() as session:
        batch = batches.find(session, batch_no)
        now = standing(batch, now=utc_now(), zone=portal.settings.timezone)
        report = reports.batch_report(batch, now, pace_of(batch, now=utc_now()))
        groups = failure_groups.by_cause(session, batch.id)
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
    say(batch_line(report))
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


def _add_action(name: str, text: str, act: Callable[[Session, Batch, datetime], object]) -> None:
    """One command for one thing that can be done with a batch."""

    @command.command(name, help=text)
    @click.argument("batch_no")
    def run_action(batch_no: str) -> None:
        with opened() as portal:
            portal.ledger.transact(
                lambda session: act(session, batches.find(session, batch_no), utc_now())
            )
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
command.add_command(list_batches)
command.add_command(push_status)


@command.command()
@click.argument("batch_nos", metavar="BATCH_NO...", nargs=-1, required=True)
@click.option("--code", help="只限一个错误码 Only the failures of this code.")
@click.option(
    "--month", type=MONTH, help="只重来一个月，如 2024-03 Only one month, such as 2024-03."
)
@click.option(
    "--document", "numbers", multiple=True, help="只限该影像编号，可多次 Only this image number's."
)
@as_json
def retry(
    *,
    batch_nos: tuple[str, ...],
    code: str | None,
    month: str | None,
    numbers: tuple[str, ...],
    as_json: bool,
) -> None:
    """重新同步失败任务，可同时给几个批次 Send the failed documents of batches again, all or some.

    What does not qualify is named with its reason; the exit code is then 2.
    """
    told: list[dict[str, Any]] = []

    def send(session: Session, batch: Batch) -> None:
        ids = retrying.items_named(session, batch, numbers) if numbers else None
        passed = retrying.not_failed(session, batch, ids or ())
        count = retrying.retry(
            session, batch, by=actor(), now=utc_now(), code=code, month=month, item_ids=ids
        )
        told.append({"batch_no": batch.batch_no, "documents": count, "not_failed": dict(passed)})

    with opened() as portal:
        outcome = act_on_each(portal.ledger, batch_nos, send)
        if outcome.done:
            portal.offer()
    for one in told:
        if as_json:
            say_json(one)
            continue
        say(f"{one['batch_no']} 重新同步 retrying: {one['documents']}")
        for image_no, status in one["not_failed"].items():
            say(f"  不是失败状态 not failed: {image_no} {label(status, 'zh')} {status}")
    for _, refusal in outcome.refused:
        click.echo(f"错误 error: {refusal}", err=True)
    if outcome.refused:
        raise click.exceptions.Exit(USER_ERROR)


@command.command()
@click.argument("batch_nos", metavar="BATCH_NO...", nargs=-1, required=True)
@click.option(
    "--permanent-too", is_flag=True, help="永久失败的也再试 Try permanent failures again too."
)
@as_json
def fetch(batch_nos: tuple[str, ...], permanent_too: bool, as_json: bool) -> None:
    """文件下载：立即取回尚未归档的文件 Fetch at once what is not archived yet.

    A waiting batch does not start. The page of the fetch shows how far it is.
    """
    wish, now = Selection(batch_nos=batch_nos), utc_now()
    with opened() as portal:
        chore = portal.ledger.transact(
            lambda session: (
                fetches.ask(session, wish, permanent_too=permanent_too, by=actor(), now=now).id
            )
        )
    if as_json:
        say_json({"fetch": chore})
    else:
        say(f"文件下载 fetch {chore}: /packages/{chore}")


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


command.add_command(batch_scan.command)
