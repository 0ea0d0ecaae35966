"""The words of a notice, in the language of its channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.errors import action, reason
from portal.models import Notice
from portal.notify.kinds import NoticeEvent
from portal.notify.message import Message
from portal.statuses import SyncStatus, label

_TITLES = {
    NoticeEvent.BATCH_COMPLETE: (
        "迁移批次 {batch_no} 已结束：全部同步完成",
        "Batch {batch_no} ended: fully synced",
    ),
    NoticeEvent.BATCH_SHORT: (
        "迁移批次 {batch_no} 已结束：{sync}，失败 {failed} 份",
        "Batch {batch_no} ended: {sync}, {failed} failed",
    ),
    NoticeEvent.HOLD: ("迁移暂缓：{reason}", "Migration held: {reason}"),
    NoticeEvent.ATTENTION: ("需要人工处理：{reason}", "Somebody is needed: {reason}"),
    NoticeEvent.WENT_ON: ("迁移已恢复：{reason}", "Migration goes on: {reason}"),
    NoticeEvent.TEST: ("影像迁移门户的测试通知", "A test by the imaging migration portal"),
}
_FACTS = {
    "batch_no": ("批次号", "Batch"),
    "source": ("数据源", "Data source"),
    "org": ("组织", "Organisation"),
    "from": ("采集范围.开始", "Collected from"),
    "to": ("采集范围.结束", "Collected to"),
    "total": ("总单据数", "Documents"),
    "done": ("已同步单据数", "Synced"),
    "failed": ("失败", "Failed"),
}


def message_of(notice: Notice) -> Message:
    """The notice as its channel tells it."""
    facts: dict[str, Any] = notice.facts
    language = notice.channel.language
    code, params = facts.get("code"), facts.get("params")
    why = reason(code, params, language) if code else ""
    sync = facts.get("sync_status")
    known = {
        "batch_no": facts.get("batch_no", ""),
        "failed": facts.get("failed", 0),
        "sync": label(SyncStatus(sync), language) if sync else "",
        "reason": why,
    }
    return Message(
        notice_id=notice.id,
        event=notice.event,
        title=_word(_TITLES[notice.event], language).format(**known),
        at=notice.created_at,
        facts=(*_facts(facts, language), *_causes(facts, language)),
        action=action(code, params, language) if code and _needs_action(notice.event) else "",
        url=_url(notice),
        data={"facts": facts},
    )


def _needs_action(event: NoticeEvent) -> bool:
    return event in (NoticeEvent.HOLD, NoticeEvent.ATTENTION)


def _facts(facts: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    return [
        (_word(words, language), _value(facts[name]))
        for name, words in _FACTS.items()
        if name in facts
    ]


def _causes(facts: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    """The first causes of failures, each with what to do."""
    return [
        (
            f"{cause['code']} × {cause['count']}",
            f"{reason(cause['code'], cause['params'], language)}"
            f"（{action(cause['code'], cause['params'], language)}）",
        )
        for cause in facts.get("causes", ())
    ]


def _value(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _word(words: tuple[str, str], language: str) -> str:
    return words[0 if language.startswith("zh") else 1]


def _url(notice: Notice) -> str:
    base = notice.channel.portal_url.rstrip("/")
    if not base:
        return ""
    number = notice.facts.get("batch_no")
    return f"{base}/batches/{number}" if number else f"{base}/"
