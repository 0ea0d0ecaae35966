"""How values look on a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask import Flask
from jinja2 import StrictUndefined

from portal.errors import action, reason
from portal.language import language
from portal.models import Overlap, Role, RunOutcome
from portal.models.overlap import overlap_label
from portal.runtime import current_portal
from portal.services.standing import Standing
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
_OUTCOMES = {
    RunOutcome.ENDED: ("正常结束", "ended"),
    RunOutcome.PAUSED: ("被暂停", "paused"),
    RunOutcome.GIVEN_BACK: ("退回待运行", "given back"),
    RunOutcome.CANCELLED: ("被取消", "cancelled"),
}
_NARROWED = {
    "month": ("月份", "month"),
    "code": ("错误码", "error code"),
    "selected": ("勾选的单据", "chosen documents:"),
    "org": ("组织", "organisation"),
    "type": ("单据类型", "document type"),
    "image_no": ("影像编号", "image number"),
    "bill_no": ("单据编号", "document number"),
    "applicant": ("提单人", "submitter"),
    "first": ("采集起始", "collected from"),
    "last": ("采集截止", "collected to"),
}
AUDIT_ACTIONS = {
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
    "hold.open": ("暂缓", "held"),
    "hold.lift": ("恢复", "went on"),
    "user.login": ("登录", "logged in"),
    "user.login-refused": ("登录失败", "login refused"),
    "user.logout": ("退出登录", "logged out"),
    "user.add": ("新增用户", "user added"),
    "user.password": ("重设密码", "password set"),
    "source.add": ("新增数据源", "source added"),
    "source.change": ("修改数据源", "source changed"),
    "job.accept": ("接受任务", "job accepted"),
    "job.end": ("任务结束", "job ended"),
    "audit.ask": ("要求核对操作日志", "verification asked for"),
    "audit.verify": ("核对操作日志", "trail verified"),
    "document.replace": ("替换归档版本", "archived version replaced"),
    "document.damaged": ("归档损坏未能替换", "damaged and not replaced"),
}

_DETAILS = {
    "month": ("月份", "month"),
    "documents": ("单据", "documents"),
    "listings": ("重新清点的月份", "months listed again"),
    "narrowed": ("只限", "only"),
    "total": ("总数", "total"),
    "done": ("已同步", "synced"),
    "failed": ("失败", "failed"),
    "source": ("数据源", "source"),
    "org": ("组织", "organisation"),
    "role": ("角色", "role"),
    "handler": ("处理器", "handler"),
    "job_id": ("任务编号", "job"),
    "log_id": ("日志编号", "log"),
    "code": ("结果码", "code"),
    "params": ("参数", "parameter"),
    "events": ("日志条数", "events"),
    "seals": ("封存", "seals"),
    "anchors": ("锚点", "anchors"),
    "faults": ("问题", "faults"),
    "first_event": ("第一处", "first"),
    "base_url": ("地址", "address"),
    "client_id": ("客户端", "client"),
    "secret_given": ("重填密钥", "secret given"),
    "download_hosts": ("下载主机", "download hosts"),
    "profile": ("连接配置", "profile"),
    "rules": ("兼容性规则", "rules"),
    "concurrency_cap": ("并发上限", "concurrency cap"),
    "rate_cap": ("速率上限", "rate cap"),
    "bandwidth_cap": ("带宽上限", "bandwidth cap"),
    "windows": ("时间窗口", "time windows"),
    "proxy": ("代理", "proxy"),
    "private_ca": ("私有证书", "private CA"),
    "old_folder": ("旧版本", "old version"),
    "new_folder": ("新版本", "new version"),
}
_SOUND = {"sound": ("完好", "sound"), "unsound": ("有问题", "unsound")}


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
        level_text=level_text,
        speed=speed,
        duration=duration,
        run_outcome=run_outcome,
        narrowed=narrowed,
    )
    app.jinja_env.globals.update(reason=_reason, action=_action, language=language)
    app.jinja_env.undefined = StrictUndefined


def level_text(standing: Standing) -> str:
    """How hard the source is worked, and why not harder."""
    return standing.level_text(language(), current_portal().settings.timezone)


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


def speed(value: float | None) -> str:
    """So many a second with three digits at most: ``0.52``, ``17.4``, ``1,240``."""
    if value is None:
        return "—"
    if value >= 100 or not value:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """A stretch of time as people say it: ``3 小时 12 分``; under a minute ``不到 1 分钟``."""
    zh = language() == "zh"
    minutes = int(seconds / 60 + 0.5)
    if not minutes:
        return "不到 1 分钟" if zh else "under a minute"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    amounts = ((days, " 天", " d"), (hours, " 小时", " h"), (minutes, " 分", " min"))
    # Beside days nobody wants minutes.
    said = [
        f"{number}{(zh_unit, en_unit)[not zh]}" for number, zh_unit, en_unit in amounts if number
    ]
    return " ".join(said[:2])


def run_outcome(value: RunOutcome) -> str:
    """The word for how a run of a batch ended."""
    return _OUTCOMES[value][language() != "zh"]


def narrowed(value: Mapping[str, Any]) -> str:
    """Which failed documents a retry was for, in one line."""
    zh = language() == "zh"
    said = [f"{_NARROWED.get(name, (name, name))[not zh]} {word}" for name, word in value.items()]
    return "，".join(said) if zh else ", ".join(said)


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
    words = AUDIT_ACTIONS.get(value)
    return value if words is None else words[language() != "zh"]


def audit_word(value: str | None, action: str) -> str:
    """A status as the trail keeps it, in words; anything else as it is."""
    words = _WORDS_OF.get(action, {}).get(value or "")
    if words is not None:
        return words[language() != "zh"]
    for kind in _KINDS_OF.get(action, (RunStatus, SyncStatus)):
        if value in set(kind):
            return label(kind(value), language())
    return value or ""


_WORDS_OF = {"job.accept": _RUNS, "job.end": _RUNS, "audit.verify": _SOUND}
_KINDS_OF: dict[str, tuple[type[Status] | type[SyncStatus], ...]] = {
    "slice.listing": (ListingStatus,),
    "item.status": (ItemStatus,),
    "item.relist": (ItemStatus,),
}


def audit_detail(detail: Mapping[str, Any] | None) -> str:
    """The particulars of an event in one line."""
    parts = []
    for key, value in (detail or {}).items():
        words = _DETAILS.get(key)
        parts.append(f"{words[language() != 'zh'] if words else key} {_detail(value)}")
    return "，".join(parts) if language() == "zh" else ", ".join(parts)


def _detail(value: Any) -> str:
    """A pair is a change; what is set is only named."""
    match value:
        case [None, new]:
            return _detail(new)
        case [old, new]:
            return f"{_detail(old)} → {_detail(new)}"
        case True:
            return "✓"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
