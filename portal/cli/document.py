"""``imgmig document``: where a document is, and the list of the archived ones."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import click

from portal.cli.opening import as_json, opened, say, say_json
from portal.errors import NotFound, action, reason
from portal.formatting import CATEGORIES
from portal.models import DataSource, Document, File
from portal.services import archive_list, document_pages, finding, sources
from portal.services.archive_filters import SORTS, ArchiveFilter
from portal.services.finding import Found, Place
from portal.services.months import months_between
from portal.services.paging import SIZES
from portal.services.paging import Place as ListPlace
from portal.statuses import ItemStatus, label

DAY = click.DateTime(formats=["%Y-%m-%d"])
_PLACES = {
    Place.HERE: "已归档 archived",
    Place.MOVING: "迁移中 moving",
    Place.RETRYING: "等待重试 waits to be retried",
    Place.PENDING: "待处理 pending",
    Place.HALTED: "未处理，批次没有运行 not done, its batch does not run",
    Place.LISTED: "已登记，不在任何批次 known, in no batch",
}


@click.group("document")
def command() -> None:
    """影像单据 Archived documents."""


@command.command()
@click.argument("number")
@as_json
def show(number: str, as_json: bool) -> None:
    """影像编号（或单据编号）现在在哪里 Where the documents of a number are now.

    \b
    Exactly this number first; if there is none, those that begin so.

    :raises NotFound: when the ledger knows none
    """
    with opened() as portal, portal.ledger.read() as session:
        answer = finding.find(session, number)
        rows = []
        for found in answer.documents:
            view = document_pages.document_view(session, found.document.id)
            files = [_file(file) for group in view.files.values() for file in group]
            rows.append({**_placed(found), "files": files})
    if not rows:
        raise NotFound(
            f"账本中没有 {number}（还有 {answer.unlisted_months} 个月份没有列完）",
            f"the ledger does not know {number} ({answer.unlisted_months} months yet to list)",
        )
    if as_json:
        say_json(rows)
        return
    for row in rows:
        _tell(row)


@command.command("list")
@click.option("--source", help="数据源名称 The data source's name.")
@click.option("--from", "first", type=DAY, help="采集开始日（含） First day.")
@click.option("--to", "last", type=DAY, help="采集结束日（含） Last day, inclusive.")
@click.option("--org", default="", help="组织代码 Organisation code.")
@click.option("--type", "bill_type", default="", help="单据类型代码 Document type code.")
@click.option("--image-no", default="", help="影像编号开头 How the image number begins.")
@click.option("--bill-no", default="", help="单据编号开头 How the bill number begins.")
@click.option("--applicant", default="", help="提单人 Who handed it in.")
@click.option("--resource", default="", help="来源系统 The system it comes from.")
@click.option("--least", type=Decimal, help="金额从 Least amount.")
@click.option("--most", type=Decimal, help="金额至 Most amount.")
@click.option("--category", type=click.Choice(list(CATEGORIES)), help="含有文件 Has files of.")
@click.option(
    "--sort",
    type=click.Choice([f"{sign}{name}" for name in SORTS for sign in ("", "-")]),
    default="-collected_at",
    show_default=True,
    help="排序，- 为倒序 Order; - is descending.",
)
@click.option(
    "--limit", type=click.IntRange(1, max(SIZES)), default=50, show_default=True, help="行数 Rows."
)
@click.option("--after", help="上一页 JSON 中的 next The next of the page before.")
@as_json
def list_documents(
    *,
    source: str | None,
    first: datetime | None,
    last: datetime | None,
    sort: str,
    limit: int,
    after: str | None,
    as_json: bool,
    **texts: Any,
) -> None:
    """影像单据列表 List archived documents, as the page does."""
    with opened() as portal, portal.ledger.read() as session:
        zone = portal.settings.timezone
        wanted = ArchiveFilter(
            source_id=sources.find(session, source).id if source else None,
            starts_at=_midnight(first.date(), zone) if first else None,
            ends_at=_midnight(last.date() + timedelta(days=1), zone) if last else None,
            **{**texts, "category": texts["category"] or ""},
        )
        place = ListPlace(sort.removeprefix("-"), sort.startswith("-"), limit, after=after)
        leaf = archive_list.archive_page(session, wanted, place)
        names = {one.id: one for one in sources.all_sources(session)}
        rows = [_document(document, names[document.data_source_id]) for document in leaf.rows]
    if as_json:
        say_json({"documents": rows, "next": leaf.last})
        return
    for row in rows:
        say(
            f"{row['image_no']}  {row['bill_no']}  {row['org_code']}  {row['bill_type_code']}  "
            f"{row['applicant']}  {row['collected_at'].astimezone(zone):%Y-%m-%d %H:%M:%S}  "
            f"{row['amount'] or '—'}  "
            f"{row['files']} 个文件 files  {row['bytes']} B"
        )
    if leaf.last:
        say(f"… 下一页 next: --after '{leaf.last}'")


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return next(months_between(day, day, zone)).starts_at


def _document(document: Document, source: DataSource) -> dict[str, Any]:
    return {
        "id": document.id,
        "source": source.name,
        "resource": document.resource,
        "image_no": document.image_no,
        "bill_no": document.bill_no,
        "bill_type_code": document.bill_type_code,
        "org_code": document.org_code,
        "applicant": document.applicant,
        "collected_at": document.collected_at,
        "amount": None if document.amount is None else str(document.amount),
        "archived_at": document.archived_at,
        "folder": document.folder,
        "files": document.stored_files,
        "bytes": document.stored_bytes,
    }


def _file(file: File) -> dict[str, Any]:
    return {
        "file_id": file.file_id,
        "category": file.category,
        "name": file.name,
        "kind": file.kind,
        "size": file.size,
        "pages": file.pages,
        "sha256": file.sha256,
        "storage_key": file.storage_key,
    }


def _placed(found: Found) -> dict[str, Any]:
    document, item = found.document, found.item
    status = item.status if item is not None and found.place is Place.DECIDED else None
    code, params = (item.error_code, item.error_params) if item is not None else (None, None)
    return {
        "id": document.id,
        "source": found.source,
        "resource": document.resource,
        "image_no": document.image_no,
        "bill_no": document.bill_no,
        "place": status or found.place,
        "archived_at": document.archived_at,
        "folder": document.folder,
        "batch_no": found.batch.batch_no if found.batch else None,
        "stored_by": found.stored_by.batch_no if found.stored_by else None,
        "error_code": code,
        "reason": reason(code, params, "zh") if code else None,
        "action": action(code, params, "zh") if code else None,
    }


def _tell(row: dict[str, Any]) -> None:
    place = row["place"]
    words = label(place, "zh") if isinstance(place, ItemStatus) else _PLACES[place]
    say(f"{row['image_no']}  {row['source']} {row['resource']}  {words}")
    for name, text in (
        ("folder", "归档位置 kept in"),
        ("archived_at", "归档时间 archived"),
        ("stored_by", "归档批次 archived by"),
        ("batch_no", "最近批次 newest batch"),
        ("reason", "错误原因 reason"),
        ("action", "处理措施 what to do"),
    ):
        if row[name]:
            say(f"  {text}: {row[name]}")
    for file in row["files"]:
        state = f"{file['kind']} {file['size']} B" if file["storage_key"] else "未归档 not archived"
        say(f"    {CATEGORIES[file['category']][0]} {file['name'] or file['file_id']}  {state}")
