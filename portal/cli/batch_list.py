"""``imgmig batch list``: the list of 迁移批次 with the page's filters."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from portal.cli.filters import DAY, day_of
from portal.cli.opening import as_json, opened, say, say_json
from portal.models import Priority, utc_now
from portal.models.priority import priority_label
from portal.services import batch_lists, reports, sources
from portal.services.batch_lists import SORTS, BatchFilter, Overview
from portal.services.paging import Place
from portal.services.standing import standing
from portal.statuses import RunStatus, SyncStatus, label

_MOST = 100


@click.command("list")
@click.option("--number", default="", help="批次号的任意一段 Any part of the number.")
@click.option(
    "--sync", type=click.Choice([one.value for one in SyncStatus]), help="同步状态 Sync status."
)
@click.option(
    "--run", type=click.Choice([one.value for one in RunStatus]), help="运行状态 Run status."
)
@click.option(
    "--overview",
    type=click.Choice([one.value for one in Overview]),
    help="待运行、进行中、成功、失败 One word for both statuses.",
)
@click.option("--source", help="数据源名称 The data source's name.")
@click.option("--org", default="", help="组织代码 Organisation code.")
@click.option("--type", "bill_type", default="", help="单据类型代码 Document type code.")
@click.option("--from", "first", type=DAY, help="采集日期从 Covers days from this one on.")
@click.option("--to", "last", type=DAY, help="采集日期到（含） Covers days up to this one.")
@click.option("--created-from", type=DAY, help="创建日期从 Created on this day or later.")
@click.option("--created-to", type=DAY, help="创建日期到（含） Created on this day or earlier.")
@click.option("--creator", default="", help="创建人的任意一段 Any part of who created it.")
@click.option(
    "--sort",
    type=click.Choice([f"{sign}{name}" for name in SORTS for sign in ("", "-")]),
    default="-id",
    show_default=True,
    help="排序，- 为降序 The order; - is descending.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=_MOST, show_default=True, help="最多几个 At most."
)
@as_json
def list_batches(
    *,
    number: str,
    sync: str | None,
    run: str | None,
    overview: str | None,
    source: str | None,
    org: str,
    bill_type: str,
    first: datetime | None,
    last: datetime | None,
    created_from: datetime | None,
    created_to: datetime | None,
    creator: str,
    sort: str,
    limit: int,
    as_json: bool,
) -> None:
    """列出批次 List batches, the newest first."""
    with opened() as portal, portal.ledger.read() as session:
        zone = portal.settings.timezone
        wanted = BatchFilter(
            number=number,
            creator=creator,
            sync=None if sync is None else SyncStatus(sync),
            run=None if run is None else RunStatus(run),
            overview=None if overview is None else Overview(overview),
            source_id=None if source is None else sources.find(session, source).id,
            org=org,
            bill_type=bill_type,
            first=day_of(first),
            last=day_of(last),
            created_first=day_of(created_from),
            created_last=day_of(created_to),
        )
        place = Place(sort.removeprefix("-"), descending=sort.startswith("-"), size=limit)
        rows = [
            reports.batch_report(batch, standing(batch, now=utc_now(), zone=zone))
            for batch in batch_lists.batch_page(session, wanted, place, zone=zone).rows
        ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        say(batch_line(row))


def batch_line(row: dict[str, Any]) -> str:
    """A batch's report on one line."""
    state = f"{label(row['run_status'], 'zh')} {label(row['sync_status'], 'zh')}"
    if row["priority"] is not Priority.NORMAL:
        state += f"（优先级 {priority_label(row['priority'], 'zh')}）"
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
