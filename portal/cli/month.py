"""``imgmig month``: 异构影像系统文件同步列表 for scripts and terminals."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import click

from portal.cli.filters import MONTH
from portal.cli.opening import as_json, opened, say, say_json
from portal.services import month_lists, sources
from portal.services.month_lists import SORTS, Equality, MonthFilter
from portal.services.month_state import Month, MonthOfBatch, month_label
from portal.services.paging import Place
from portal.statuses import label

_MOST = 100


@click.group("month")
def command() -> None:
    """异构影像系统文件同步列表 Months across all batches."""


@command.command("list")
@click.option("--from", "first", type=MONTH, help="月份从 First month.")
@click.option("--to", "last", type=MONTH, help="月份到（含） Last month.")
@click.option("--source", help="数据源名称 The data source's name.")
@click.option(
    "--equality",
    type=click.Choice([one.value for one in Equality]),
    help="同步单据数与同步成功单据数相等与否 Whether all that was listed is synced.",
)
@click.option(
    "--sort",
    type=click.Choice([f"{sign}{name}" for name in SORTS for sign in ("", "-")]),
    default="-month",
    show_default=True,
    help="排序，- 为降序 The order; - is descending.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=_MOST, show_default=True, help="最多几个 At most."
)
@as_json
def list_months(
    *,
    first: str | None,
    last: str | None,
    source: str | None,
    equality: str | None,
    sort: str,
    limit: int,
    as_json: bool,
) -> None:
    """列出月份 List months, the newest first; each with what every batch did of it."""
    with opened() as portal, portal.ledger.read() as session:
        zone = portal.settings.timezone
        wanted = MonthFilter(
            first=first or "",
            last=last or "",
            source_id=None if source is None else sources.find(session, source).id,
            equality=None if equality is None else Equality(equality),
        )
        place = Place(sort.removeprefix("-"), descending=sort.startswith("-"), size=limit)
        rows = [
            _report(month, zone) for month in month_lists.month_page(session, wanted, place).rows
        ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        say(_line(row))


def _report(month: Month, zone: ZoneInfo) -> dict[str, Any]:
    sums = month.sums()
    return {
        "month": month.month,
        "source": month.source.name,
        "state": month.state(zone),
        "covered": [{"from": first, "to": last} for first, last in month.covered_days(zone)],
        "total": sums and sums.total,
        "done": sums and sums.done,
        "failed": sums and sums.failed,
        "at_least": sums and sums.at_least,
        "batches": [_part_report(one, zone) for one in month.parts],
    }


def _part_report(one: MonthOfBatch, zone: ZoneInfo) -> dict[str, Any]:
    first, last = one.days(zone)
    return {
        "batch_no": one.batch.batch_no,
        "from": first,
        "to": last,
        "org": one.batch.org_codes,
        "type": one.batch.bill_type_codes,
        "run_status": one.batch.run_status,
        "sync_status": one.part.sync_status,
        "total": one.part.total,
        "done": one.part.done,
        "failed": one.part.failed,
        "damaged": one.damaged,
        "superseded": one.superseded,
    }


def _line(row: dict[str, Any]) -> str:
    if row["total"] is None:
        counts = "已同步 —/—  失败 —"
    else:
        least = "≥" if row["at_least"] else ""
        counts = f"已同步 {least}{row['done']}/{least}{row['total']}  失败 {least}{row['failed']}"
    lines = [f"{row['month']}  {row['source']}  {month_label(row['state'], 'zh')}  {counts}"]
    lines += [
        f"  {one['batch_no']}  {one['from']}…{one['to']}  "
        f"{label(one['run_status'], 'zh')} {label(one['sync_status'], 'zh')}  "
        f"已同步 {one['done']}/{one['total']}  失败 {one['failed']}"
        for one in row["batches"]
    ]
    return "\n".join(lines)
