"""The kinds of exports there are, by name; another one is a line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.errors import action, reason
from portal.models import AuditEvent, Batch, DataSource, Slice
from portal.models.overlap import overlap_label
from portal.services import (
    audit_browsing,
    export_reconciliation,
    export_samples,
    selection_filters,
)
from portal.services.audit_browsing import TrailFilter
from portal.services.export_documents import (
    DOCUMENT_COLUMNS,
    document_count,
    document_pages,
    file_count,
    file_pages,
    item_count,
    item_pages,
)
from portal.services.export_tables import Column, Kind, Wanted, count_rows, keyed, plain, word
from portal.services.selection import batch_ids
from portal.statuses import ItemStatus, label

_CATEGORIES = {
    "cover": ("封面", "cover"),
    "invoice": ("发票", "invoice"),
    "attachment": ("附件", "attachment"),
}


def _category(value: str, language: str) -> str:
    return _CATEGORIES[value][language != "zh"]


def _batches(session: Session, wanted: Wanted) -> Select[*tuple[Any, ...]]:
    query = select(Batch, DataSource.name.label("source"), Batch.id.label("id")).join(
        DataSource, DataSource.id == Batch.data_source_id
    )
    query = query.where(Batch.deleted_at.is_(None))
    numbers = wanted.selection.batch_nos
    return query.where(Batch.id.in_(batch_ids(session, numbers))) if numbers else query


def _batch_pages(session: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    return keyed(session, _batches(session, wanted), Batch.id, "id")


def _batch_count(session: Session, wanted: Wanted) -> int:
    return count_rows(session, _batches(session, wanted).with_only_columns(Batch.id))


def _months(session: Session, wanted: Wanted) -> Select[*tuple[Any, ...]]:
    query = (
        select(Slice, Batch.batch_no, DataSource.name.label("source"), Slice.id.label("id"))
        .join(Batch, Batch.id == Slice.batch_id)
        .join(DataSource, DataSource.id == Batch.data_source_id)
        .where(Batch.deleted_at.is_(None))
    )
    numbers = wanted.selection.batch_nos
    if numbers:
        query = query.where(Batch.id.in_(batch_ids(session, numbers)))
    month = wanted.selection.filters.get("month")
    return query.where(Slice.month == month) if month else query


def _month_pages(session: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    return keyed(session, _months(session, wanted), Slice.id, "id")


def _month_count(session: Session, wanted: Wanted) -> int:
    return count_rows(session, _months(session, wanted).with_only_columns(Slice.id))


def _trail_filter(trail: Mapping[str, str]) -> TrailFilter:
    return TrailFilter(
        actor=trail.get("actor", ""),
        action=trail.get("action", ""),
        batch_no=trail.get("batch_no", ""),
        first=selection_filters.day_of(trail, "first"),
        last=selection_filters.day_of(trail, "last"),
        documents=trail.get("documents") == "1",
    )


def _events(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    chosen = audit_browsing.conditions(_trail_filter(wanted.trail), wanted.zone)
    return (
        select(
            AuditEvent.id,
            AuditEvent.at,
            AuditEvent.actor,
            AuditEvent.origin,
            AuditEvent.action,
            Batch.batch_no,
            AuditEvent.document_id,
            AuditEvent.old,
            AuditEvent.new,
            AuditEvent.reason,
            AuditEvent.detail,
        )
        .outerjoin(Batch, Batch.id == AuditEvent.batch_id)
        .where(*chosen)
    )


def _event_pages(session: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    return keyed(session, _events(wanted), AuditEvent.id, "id")


def _event_count(session: Session, wanted: Wanted) -> int:
    return count_rows(session, _events(wanted).with_only_columns(AuditEvent.id))


def _of(thing: str, name: str, zh: str, en: str) -> Column:
    """A column that is an attribute of a whole thing in the row."""
    return Column(name, zh, en, lambda row: getattr(getattr(row, thing), name))


def _counts(thing: str) -> list[Column]:
    return [
        _of(thing, "total", "总单据数", "documents"),
        _of(thing, "done", "已同步单据数", "synced and skipped"),
        _of(thing, "not_done", "未同步单据数", "not synced"),
        _of(thing, "synced", "已迁移", "synced"),
        _of(thing, "skipped", "已跳过", "skipped"),
        _of(thing, "failed", "失败", "failed"),
        _of(thing, "stored_files", "归档文件数", "files stored"),
        _of(thing, "stored_bytes", "归档字节数", "bytes stored"),
    ]


def _status(thing: str, name: str, zh: str, en: str) -> Column:
    return Column(
        name,
        zh,
        en,
        lambda row: getattr(getattr(row, thing), name).value,
        lambda row, language: label(getattr(getattr(row, thing), name), language),
    )


_BATCHES = Kind(
    "batches",
    "批次汇总",
    "Batches",
    [
        _of("Batch", "batch_no", "批次号", "batch"),
        plain("source", "数据源", "source"),
        Column("date_from", "采集范围.开始", "from", lambda row: row.Batch.date_from.isoformat()),
        Column("date_to", "采集范围.结束", "to", lambda row: row.Batch.date_to.isoformat()),
        Column("org_codes", "组织", "organisations", lambda row: " ".join(row.Batch.org_codes)),
        Column(
            "bill_type_codes", "单据类型", "types", lambda row: " ".join(row.Batch.bill_type_codes)
        ),
        Column(
            "overlap",
            "重叠策略",
            "overlap",
            lambda row: row.Batch.overlap.value,
            lambda row, language: overlap_label(row.Batch.overlap, language),
        ),
        _status("Batch", "sync_status", "同步状态", "sync status"),
        _status("Batch", "run_status", "运行状态", "run status"),
        *_counts("Batch"),
        _of("Batch", "run_no", "运行次数", "runs"),
        _of("Batch", "created_by", "创建人", "created by"),
        _of("Batch", "created_at", "创建时间", "created at"),
        _of("Batch", "started_at", "开始时间", "started at"),
        _of("Batch", "ended_at", "结束时间", "ended at"),
        _of("Batch", "paused_by", "暂停人", "paused by"),
        _of("Batch", "cancelled_by", "取消人", "cancelled by"),
    ],
    _batch_pages,
    _batch_count,
    filters=("batch_no",),
)

_MONTHS = Kind(
    "months",
    "月度明细",
    "Months",
    [
        plain("batch_no", "批次号", "batch"),
        plain("source", "数据源", "source"),
        _of("Slice", "month", "月份", "month"),
        _of("Slice", "starts_at", "起始时刻（含）", "starts at"),
        _of("Slice", "ends_at", "截止时刻（不含）", "ends before"),
        _status("Slice", "listing_status", "清点状态", "listing"),
        _status("Slice", "sync_status", "同步状态", "sync status"),
        _of("Slice", "expected_documents", "源端单据数", "documents at the source"),
        _of("Slice", "expected_files", "源端文件数", "files at the source"),
        _of("Slice", "expected_bytes", "源端字节数", "bytes at the source"),
        *_counts("Slice"),
        _of("Slice", "error_code", "错误码", "error code"),
    ],
    _month_pages,
    _month_count,
    filters=("batch_no", "month"),
)

_DOCUMENTS = Kind(
    "documents",
    "影像单据",
    "Documents",
    [
        plain("batch_no", "批次号", "batch"),
        *DOCUMENT_COLUMNS,
        word(
            "status",
            "单据状态",
            "status",
            lambda value, language: label(ItemStatus(value), language),
        ),
        plain("attempts", "尝试次数", "attempts"),
        plain("error_code", "错误码", "error code"),
        plain("finished_at", "处理时间", "settled at"),
        plain("archived_at", "归档时间", "archived at"),
        plain("folder", "归档目录", "archive folder"),
        plain("source_metadata", "源端元数据", "metadata of the source"),
    ],
    document_pages,
    document_count,
    filters=("batch_no", *selection_filters.NAMES),
)

_FILES = Kind(
    "files",
    "影像文件",
    "Files",
    [
        *DOCUMENT_COLUMNS,
        plain("file_id", "文件编号", "file id"),
        word("category", "类别", "category", _category),
        plain("seq", "序号", "position"),
        plain("name", "原文件名", "original name"),
        plain("size", "大小（字节）", "size in bytes"),
        plain("sha256", "SHA-256", "SHA-256"),
        plain("kind", "实际类型", "type by content"),
        plain("pages", "页数", "pages"),
        plain("width", "宽（像素）", "width in pixels"),
        plain("height", "高（像素）", "height in pixels"),
        plain("dpi", "分辨率 DPI", "DPI"),
        plain("declared_size", "源端声明大小", "size as declared"),
        plain("declared_sha256", "源端声明 SHA-256", "SHA-256 as declared"),
        plain("declared_md5", "源端声明 MD5", "MD5 as declared"),
        plain("declared_pages", "源端声明页数", "pages as declared"),
        plain("stored_at", "归档时间", "archived at"),
        plain("storage_key", "归档位置", "place in the archive"),
    ],
    file_pages,
    file_count,
    filters=("batch_no", *selection_filters.NAMES),
)

_FAILURES = Kind(
    "failures",
    "失败明细",
    "Failures",
    [
        plain("batch_no", "批次号", "batch"),
        plain("month", "月份", "month"),
        *DOCUMENT_COLUMNS,
        plain("error_code", "错误码", "error code"),
        Column(
            "reason",
            "错误原因",
            "reason",
            lambda row: reason(row.error_code, row.error_params, "zh"),
            lambda row, language: reason(row.error_code, row.error_params, language),
        ),
        Column(
            "action",
            "处理措施",
            "what to do",
            lambda row: action(row.error_code, row.error_params, "zh"),
            lambda row, language: action(row.error_code, row.error_params, language),
        ),
        plain("error_params", "错误参数", "particulars"),
        plain("failed_file_id", "出错文件编号", "file id"),
        plain("attempts", "尝试次数", "attempts"),
        plain("finished_at", "失败时间", "failed at"),
    ],
    item_pages,
    item_count,
    filters=("batch_no", *(name for name in selection_filters.NAMES if name != "status")),
)

_AUDIT = Kind(
    "audit",
    "操作日志",
    "Audit trail",
    [
        plain("id", "序号", "number"),
        plain("at", "时间", "time"),
        plain("actor", "操作人", "who"),
        plain("origin", "来自", "from where"),
        plain("action", "操作", "action"),
        plain("batch_no", "批次号", "batch"),
        plain("document_id", "单据 id", "document id"),
        plain("old", "从", "from"),
        plain("new", "到", "to"),
        plain("reason", "原因", "why"),
        plain("detail", "说明", "particulars"),
    ],
    _event_pages,
    _event_count,
    filters=("actor", "action", "batch_no", "first", "last", "documents"),
)

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        *(_BATCHES, _MONTHS, _DOCUMENTS, _FILES, _FAILURES, _AUDIT),
        *(export_reconciliation.CELLS, export_reconciliation.FINDINGS),
        *(export_samples.RECORDS, export_samples.DOCUMENTS),
    )
}
FORMATS = ("xlsx", "csv", "jsonl")
