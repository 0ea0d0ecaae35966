"""How values look on a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from flask import Flask
from flask_babel import format_timedelta
from jinja2 import StrictUndefined

from portal.errors import action, reason
from portal.language import language
from portal.models import Overlap, Priority, Role, RunOutcome, utc_now
from portal.models.overlap import overlap_label
from portal.models.priority import PRIORITY_LABELS, priority_label
from portal.notify.kinds import ChannelKind, NoticeEvent
from portal.runtime import current_portal
from portal.services.checked_months import WORDS
from portal.services.reconciliation_words import LABELS
from portal.services.sample_words import LABELS as SAMPLE_WORDS
from portal.services.standing import Standing
from portal.statuses import (
    ItemStatus,
    ListingStatus,
    PushStatus,
    RunStatus,
    Status,
    SyncStatus,
    label,
)

_BADGES = {
    "ok": "green",
    "warning": "yellow",
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
    "done": "green",
    "sent": "green",
    "pushed": "cyan",
    "confirmed": "green",
    "cancelled": "orange",
    "whole": "green",
    "part": "cyan",
    "unequal": "red",
    "damaged": "red",
    "nothing": "secondary",
    "missing": "secondary",
    "old": "yellow",
    "equal": "green",
    "explained": "cyan",
    "unbalanced": "red",
    "making": "blue",
    "sealed": "cyan",
    "drawn": "blue",
    "closed": "dark",
    "match": "green",
    "differ": "red",
    "undecided": "yellow",
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
    "first": ("采集日期从", "collected from"),
    "last": ("采集日期到", "collected to"),
}
AUDIT_ACTIONS = {
    "batch.create": ("新增批次", "created"),
    "batch.priority": ("修改优先级", "priority changed"),
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
    "user.password-refused": ("原密码错误", "old password refused"),
    "user.enable": ("启用用户", "user enabled"),
    "user.disable": ("停用用户", "user disabled"),
    "user.role": ("更改角色", "role changed"),
    "user.language": ("更改语言", "language changed"),
    "user.end-logins": ("结束全部登录", "all logins ended"),
    "source.add": ("新增数据源", "source added"),
    "source.change": ("修改数据源", "source changed"),
    "source.enable": ("启用数据源", "source enabled"),
    "source.disable": ("停用数据源", "source disabled"),
    "source.delete": ("删除数据源", "source deleted"),
    "source.read-zookeeper": ("读取 ZooKeeper 配置", "ZooKeeper settings read"),
    "source.import": ("导入旧配置", "older settings imported"),
    "source.check": ("测试连接", "connection tested"),
    "target.add": ("新增目标", "target added"),
    "target.change": ("修改目标", "target changed"),
    "target.enable": ("启用目标", "target enabled"),
    "target.disable": ("停用目标", "target disabled"),
    "target.delete": ("删除目标", "target deleted"),
    "target.check": ("测试目标", "target tested"),
    "target.hold": ("目标暂缓", "target held"),
    "target.lift": ("目标恢复", "target went on"),
    "push.status": ("推送状态变更", "push status changed"),
    "push.retry": ("重新推送失败单据", "failed pushes retried"),
    "push.check": ("推送核对", "pushes reconciled"),
    "preflight.run": ("检查前提", "preflight asked for"),
    "preflight.fail": ("前提未满足", "preflight failed"),
    "preflight.tick": ("人工确认前提", "prerequisite ticked"),
    "preflight.withdraw": ("撤销人工确认", "tick withdrawn"),
    "preflight.override": ("前提未满足仍新建", "preflight overridden"),
    "job.accept": ("接受任务", "job accepted"),
    "job.end": ("任务结束", "job ended"),
    "job.again": ("重新回调", "result sent again"),
    "notice.add": ("新增通知渠道", "notification channel added"),
    "notice.change": ("修改通知渠道", "notification channel changed"),
    "notice.remove": ("删除通知渠道", "notification channel removed"),
    "notice.test": ("测试通知渠道", "notification channel tested"),
    "notice.again": ("重新发送通知", "notification sent again"),
    "batch.scan": ("兼容性扫描", "compatibility scanned"),
    "package.begin": ("开始打包下载", "package download begun"),
    "package.end": ("打包下载结束", "package download ended"),
    "fetch.ask": ("文件下载", "files fetched at once"),
    "fetch.begin": ("文件下载开始", "fetching began"),
    "export.ask": ("要求导出", "export asked for"),
    "export.make": ("生成导出", "export made"),
    "export.download": ("下载导出", "export downloaded"),
    "export.remove": ("删除导出文件", "export file removed"),
    "key.rotate": ("更换密钥", "secret key replaced"),
    "key.accept": ("确认更换密钥", "change of keys confirmed"),
    "chore.cancel": ("取消后台作业", "background task cancelled"),
    "audit.ask": ("要求核对操作日志", "verification asked for"),
    "audit.verify": ("核对操作日志", "trail verified"),
    "ledger.backup": ("备份", "backup made"),
    "ledger.restore": ("恢复备份", "backup restored"),
    "reconcile.ask": ("要求对账", "reconciliation asked for"),
    "reconcile.end": ("对账结束", "reconciliation ended"),
    "month.check": ("月份已核对", "month checked"),
    "month.withdraw": ("撤销已核对", "tick withdrawn"),
    "document.replace": ("替换归档版本", "archived version replaced"),
    "document.damaged": ("归档损坏未能替换", "damaged and not replaced"),
    "file.download": ("下载文件", "file downloaded"),
    "sample.ask": ("发起抽查", "sample begun"),
    "sample.seal": ("封存抽查清单", "manifest sealed"),
    "sample.manifest": ("下载抽查清单", "manifest downloaded"),
    "sample.draw": ("抽样", "sample drawn"),
    "sample.compare": ("抽查与源端比较", "compared with the source"),
    "sample.judge": ("抽查结论", "sample judged"),
    "sample.close": ("抽查结束", "sample closed"),
}

CHANNEL_KINDS = {
    ChannelKind.WEBHOOK: ("Webhook", "webhook"),
    ChannelKind.WECOM: ("企业微信机器人", "WeCom robot"),
    ChannelKind.DINGTALK: ("钉钉机器人", "DingTalk robot"),
    ChannelKind.MAIL: ("邮件", "mail"),
}
NEWS_WORDS = {
    NoticeEvent.BATCH_COMPLETE: ("批次结束，全部同步完成", "a batch ended, fully synced"),
    NoticeEvent.BATCH_SHORT: ("批次结束，有失败或未列全", "a batch ended with failures"),
    NoticeEvent.HOLD: ("批次暂缓，会自动恢复", "work is held and goes on by itself"),
    NoticeEvent.ATTENTION: ("需要人工处理", "somebody is needed"),
    NoticeEvent.WENT_ON: ("暂缓已恢复", "held work goes on"),
    NoticeEvent.TEST: ("测试", "a test"),
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
    "push_to": ("推送到", "pushed to"),
    "org": ("组织", "organisation"),
    "role": ("角色", "role"),
    "handler": ("处理器", "handler"),
    "job_id": ("任务编号", "job"),
    "log_id": ("日志编号", "log"),
    "code": ("结果码", "code"),
    "params": ("参数", "parameter"),
    "results": ("结果数", "results"),
    "kind": ("种类", "kind"),
    "sampled": ("抽样", "sampled"),
    "causes": ("原因", "causes"),
    "channel": ("通知渠道", "channel"),
    "address": ("地址", "address"),
    "news": ("通知哪些事", "news"),
    "enabled": ("启用", "enabled"),
    "notice": ("通知", "notification"),
    "subject": ("对象", "subject"),
    "events": ("日志条数", "events"),
    "seals": ("封存", "seals"),
    "anchors": ("锚点", "anchors"),
    "faults": ("问题", "faults"),
    "first_event": ("第一处", "first"),
    "base_url": ("地址", "address"),
    "settings": ("设置", "settings"),
    "client_id": ("客户端", "client"),
    "secret_given": ("重填密钥", "secret given"),
    "proxy_secret_given": ("重填代理密码", "proxy password given"),
    "user": ("用户", "user"),
    "logins": ("登录数", "logins"),
    "left_out": ("此前未逐条记下的失败", "failures before that were not written one by one"),
    "hosts": ("主机", "hosts"),
    "host": ("主机", "host"),
    "codes": ("错误码", "codes"),
    "item": ("前提", "prerequisite"),
    "download_hosts": ("下载主机", "download hosts"),
    "profile": ("连接配置", "profile"),
    "rules": ("兼容性规则", "rules"),
    "concurrency_cap": ("并发上限", "concurrency cap"),
    "rate_cap": ("速率上限", "rate cap"),
    "bandwidth_cap": ("带宽上限", "bandwidth cap"),
    "windows": ("时间窗口", "time windows"),
    "proxy": ("代理", "proxy"),
    "private_ca": ("私有证书", "private CA"),
    "batches": ("批次", "batches"),
    "chosen": ("所选单据", "chosen documents"),
    "filters": ("筛选", "filters"),
    "files": ("文件", "files"),
    "bytes": ("字节", "bytes"),
    "absent": ("未归档", "not archived"),
    "damaged": ("损坏的文件", "damaged file"),
    "again": ("重新尝试", "tried again"),
    "permanent_too": ("含永久失败", "permanent failures too"),
    "export": ("导出编号", "export"),
    "format": ("格式", "format"),
    "rows": ("行数", "rows"),
    "sha256": ("SHA-256", "SHA-256"),
    "old_folder": ("旧版本", "old version"),
    "reconciliation": ("对账", "reconciliation"),
    "reread": ("重读文件", "files re-read"),
    "months": ("月份数", "months"),
    "unbalanced": ("不平", "unbalanced"),
    "defects": ("问题", "defects"),
    "new_folder": ("新版本", "new version"),
    "file": ("文件", "file"),
    "sample": ("抽查", "sample"),
    "type": ("单据类型", "type"),
    "nonce": ("随机串", "nonce"),
    "size": ("样本量", "sample size"),
    "found": ("不相符", "not matching"),
    "undecided": ("无法判断", "undecided"),
    "bound": ("上界", "bound"),
    "remark": ("备注", "remark"),
    "image_no": ("影像编号", "image number"),
}
_SOUND = {"sound": ("完好", "sound"), "unsound": ("有问题", "unsound")}


_CHECKED = {
    "ok": ("正常", "passed"),
    "warning": ("注意", "warning"),
    "failed": ("失败", "failed"),
    "skipped": ("未测", "not tested"),
}
_CHECK_STEPS = {
    "token": ("令牌", "token"),
    "access": ("可以读取", "readable"),
    "metadata": ("单据数据", "document data"),
    "presence": ("文件是否存在", "files there"),
    "count": ("清点", "count"),
    "listing": ("列表", "listing"),
    "file": ("下载文件", "file"),
    "inspection": ("检查文件", "file check"),
    "clock": ("时钟", "clock"),
    "certificate": ("证书", "certificate"),
    "reach": ("网络连通", "reachability"),
    "space": ("归档空间", "archive space"),
    "archive": ("归档可写", "archive writable"),
    "database": ("数据库可写", "database writable"),
    "queue": ("队列可写", "queue writable"),
    "workers": ("工作进程", "workers"),
    "executor": ("执行器注册", "executor registered"),
    "answer": ("检查未完成", "not finished"),
}
_VERDICTS = {
    **_CHECKED,
    "missing": ("从未检查", "never checked"),
    "old": ("需要重新检查", "to be checked again"),
    "pending": ("正在检查", "being checked"),
}
_AGES = (
    (86_400, "{} 天前", "{} d ago"),
    (3_600, "{} 小时前", "{} h ago"),
    (60, "{} 分钟前", "{} min ago"),
)


def init_app(app: Flask) -> None:
    """Give the filters to the templates."""
    app.jinja_env.filters.update(
        moment=moment,
        span=span,
        number=number,
        size=size,
        money=money,
        percent=percent,
        overlap=overlap,
        priority=priority,
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
        checked=checked,
        check_step=check_step,
        verdict=lambda value: _VERDICTS[value][language() != "zh"],
        age=age,
        channel_kind=lambda kind: CHANNEL_KINDS[kind][language() != "zh"],
        news=lambda event: NEWS_WORDS[NoticeEvent(event)][language() != "zh"],
        speed=speed,
        duration=duration,
        run_outcome=run_outcome,
        narrowed=narrowed,
    )
    app.jinja_env.globals.update(reason=_reason, action=_action, language=language)
    app.jinja_env.undefined = StrictUndefined


def checked(value: str) -> str:
    """The word for what a test of a connection, or a step of it, has found."""
    return _CHECKED[value][language() != "zh"]


def check_step(value: str) -> str:
    """The word for a step of a test."""
    return _CHECK_STEPS[value][language() != "zh"]


def age(value: datetime) -> str:
    """How long ago it was, in the unit that fits."""
    seconds = max(0, int((utc_now() - value).total_seconds()))
    for unit, zh, en in _AGES:
        if seconds >= unit:
            return (zh if language() == "zh" else en).format(seconds // unit)
    return "刚刚" if language() == "zh" else "just now"


def level_text(standing: Standing) -> str:
    """How hard the source is worked, and why not harder."""
    return standing.level_text(language(), current_portal().settings.timezone)


def moment(value: datetime | None) -> str:
    """An instant to the second where the users are, ``2026-11-22 18:03:11``."""
    if value is None:
        return "—"
    return f"{value.astimezone(current_portal().settings.timezone):%Y-%m-%d %H:%M:%S}"


def span(value: timedelta) -> str:
    """How long something lasts or lasted, in its largest unit: ``3 分钟``."""
    return str(format_timedelta(max(value, timedelta(seconds=1)), threshold=1.5))


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


def money(value: Decimal | None) -> str:
    """An amount with its cents, ``12,345.60``, or a dash for none."""
    return "—" if value is None else f"{value:,.2f}"


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


def priority(value: str) -> str:
    """The word for a batch's 优先级."""
    return priority_label(Priority(value), language())


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
    """The word for a document's status in a batch, or at a target, as the trail keeps it."""
    if value is None:
        return ""
    is_of_item = value in set(ItemStatus)
    return label(ItemStatus(value) if is_of_item else PushStatus(value), language())


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


_ENDS = {
    "complete": ("完整", "whole"),
    "broken": ("中止：文件损坏", "broken off: a file is damaged"),
    "aborted": ("未下载完", "not downloaded to its end"),
}
_PRIORITIES = {str(word): words for word, words in PRIORITY_LABELS.items()}
_WORDS_OF: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "package.end": _ENDS,
    "job.accept": _RUNS,
    "job.end": _RUNS,
    "audit.verify": _SOUND,
    "reconcile.end": LABELS,
    "month.withdraw": WORDS,
    "sample.judge": SAMPLE_WORDS,
    "sample.compare": {"equal": ("一致", "equal"), "unequal": ("不一致", "not equal")},
    "user.role": {role.value: words for role, words in _ROLES.items()},
    "user.language": {"zh_Hans_CN": ("中文", "Chinese"), "en": ("英文", "English")},
    "batch.priority": _PRIORITIES,
}
_KINDS_OF: dict[str, tuple[type[Status] | type[SyncStatus], ...]] = {
    "slice.listing": (ListingStatus,),
    "item.status": (ItemStatus,),
    "item.relist": (ItemStatus,),
    "push.status": (PushStatus,),
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
