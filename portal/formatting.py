"""How values look on a page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask import Flask
from jinja2 import StrictUndefined

from portal.errors import action, reason
from portal.language import language
from portal.models import Overlap, Role
from portal.models.overlap import overlap_label
from portal.runtime import current_portal
from portal.statuses import ItemStatus, ListingStatus, RunStatus, Status, SyncStatus, label

_BADGES = {
    "pending": "secondary",
    "partial": "yellow",
    "complete": "green",
    "failed": "red",
    "waiting": "secondary",
    "running": "blue",
    "ended": "dark",
    "open": "blue",
    "listed": "green",
    "synced": "green",
    "skipped": "cyan",
    "queued": "secondary",
    "deferred": "blue",
    "succeeded": "green",
    "timed_out": "orange",
    "killed": "orange",
}
_ROLES = {
    Role.ADMIN: ("管理员", "admin"),
    Role.OPERATOR: ("操作员", "operator"),
    Role.AUDITOR: ("审计员", "auditor"),
}
CATEGORIES = {
    "cover": ("封面", "cover"),
    "invoice": ("发票", "invoice"),
    "attachment": ("附件", "attachment"),
}


_RUNS = {
    "queued": ("排队", "queued"),
    "running": ("执行中", "running"),
    "deferred": ("等待批次", "waiting for batches"),
    "succeeded": ("成功", "succeeded"),
    "failed": ("失败", "failed"),
    "timed_out": ("超时", "timed out"),
    "killed": ("已终止", "killed"),
}
_ACTIONS = {
    "batch.create": ("新增批次", "created"),
    "batch.start": ("开始运行", "started"),
    "batch.pause": ("暂停", "paused"),
    "batch.give-back": ("退回待运行", "given back"),
    "batch.cancel": ("取消", "cancelled"),
    "batch.delete": ("删除", "deleted"),
    "batch.retry": ("重新同步失败任务", "failures retried"),
    "batch.end": ("运行结束", "ended"),
    "slice.listing": ("清点月份", "month listed"),
    "item.status": ("状态变更", "status changed"),
    "item.relist": ("重新清点", "listed again"),
    "document.replace": ("替换归档版本", "archived version replaced"),
    "document.damaged": ("归档损坏未能替换", "damaged and not replaced"),
}

_DETAILS = {
    "month": ("月份", "month"),
    "documents": ("单据", "documents"),
    "listings": ("重新清点的月份", "months listed again"),
    "total": ("总数", "total"),
    "done": ("已同步", "synced"),
    "failed": ("失败", "failed"),
    "old_folder": ("旧版本", "old version"),
    "new_folder": ("新版本", "new version"),
}


def init_app(app: Flask) -> None:
    """Give the filters to the templates."""
    app.jinja_env.filters.update(
        moment=moment,
        number=number,
        size=size,
        percent=percent,
        overlap=overlap,
        status=status,
        badge=badge,
        role=role_name,
        category=category_name,
        run_status=run_status,
        item_status=item_status,
        audit_action=audit_action,
        audit_word=audit_word,
        audit_detail=audit_detail,
    )
    app.jinja_env.globals.update(reason=_reason, action=_action, language=language)
    app.jinja_env.undefined = StrictUndefined


def moment(value: datetime | None) -> str:
    """An instant to the second where the users are, ``2026-11-22 18:03:11``."""
    if value is None:
        return "—"
    return f"{value.astimezone(current_portal().settings.timezone):%Y-%m-%d %H:%M:%S}"


def number(value: int | None) -> str:
    """``12,345``, or a dash for what is not known."""
    return "—" if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """Bytes in the unit that fits: ``61.2 KB``, ``1.9 GB``."""
    if value is None:
        return "—"
    amount = float(value)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} TB"


def percent(done: int, total: int) -> int:
    """Whole percent, never above 100, and 100 only when nothing is left; 0 of 0 is 0."""
    return min(100, done * 100 // total) if total else 0


def overlap(value: Overlap) -> str:
    """The word for a batch's 重叠策略."""
    return overlap_label(value, language())


def status(value: Status | SyncStatus) -> str:
    """The word for a status in the language of the page."""
    return label(value, language())


def badge(value: StrEnum | str) -> str:
    """The colour of a status."""
    return _BADGES[str(value)]


def role_name(value: Role) -> str:
    """The word for a role."""
    return _ROLES[value][language() != "zh"]


def category_name(value: str) -> str:
    """The word for a file category."""
    return CATEGORIES[value][language() != "zh"]


def _reason(code: str, params: dict[str, Any] | None) -> str:
    return reason(code, params, language())


def _action(code: str, params: dict[str, Any] | None) -> str:
    return action(code, params, language())


def run_status(value: StrEnum) -> str:
    """The word for the state of a job run."""
    return _RUNS[value][language() != "zh"]


def item_status(value: str | None) -> str:
    """The word for a document's status as the trail keeps it."""
    return "" if value is None else label(ItemStatus(value), language())


def audit_action(value: str) -> str:
    """The words for an action of the trail; one we have no words for is shown as it is."""
    words = _ACTIONS.get(value)
    return value if words is None else words[language() != "zh"]


def audit_word(value: str | None, action: str) -> str:
    """A status as the trail keeps it, in words; anything else as it is."""
    kinds = (ListingStatus,) if action == "slice.listing" else (RunStatus, SyncStatus)
    for kind in kinds:
        if value in set(kind):
            return label(kind(value), language())
    return value or ""


def audit_detail(detail: Mapping[str, Any] | None) -> str:
    """The particulars of an event in one line."""
    parts = []
    for key, value in (detail or {}).items():
        words = _DETAILS.get(key)
        parts.append(f"{words[language() != 'zh'] if words else key} {value}")
    return "，".join(parts) if language() == "zh" else ", ".join(parts)
