"""Statuses and every legal change between them, in one table.

``python -m portal.statuses`` prints the table as the diagram in ``docs/states.md``.
"""

from __future__ import annotations

from enum import StrEnum

from portal.errors import PortalError


class IllegalTransition(PortalError):
    """A status change that the table does not allow."""


class RunStatus(StrEnum):
    """运行状态 of a batch."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class SyncStatus(StrEnum):
    """同步状态 of a batch or a slice; derived from the counts, never stored."""

    PENDING = "pending"
    PARTIAL = "partial"
    COMPLETE = "complete"
    FAILED = "failed"


class ItemStatus(StrEnum):
    """单据状态 of a document's passage through a batch; 迁移中 is a pending item with a lease."""

    PENDING = "pending"
    SYNCED = "synced"
    SKIPPED = "skipped"
    FAILED = "failed"


class ListingStatus(StrEnum):
    """How far the listing of a slice is."""

    WAITING = "waiting"
    OPEN = "open"
    LISTED = "listed"
    FAILED = "failed"


class ChoreStatus(StrEnum):
    """How far a chore (后台作业) is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class NoticeStatus(StrEnum):
    """Whether a notice (通知) was delivered."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class PushStatus(StrEnum):
    """推送状态 of an archived document at a target."""

    WAITING = "waiting"
    PUSHED = "pushed"
    CONFIRMED = "confirmed"
    FAILED = "failed"


Status = RunStatus | ItemStatus | ListingStatus | ChoreStatus | NoticeStatus | PushStatus

TRANSITIONS: dict[type[StrEnum], dict[str, dict[str, str]]] = {
    RunStatus: {
        "waiting": {"running": "run or DataSyncTask", "ended": "cancel"},
        "running": {"ended": "all settled or cancel", "waiting": "pause or given back"},
        "ended": {"running": "retry"},
    },
    ItemStatus: {
        "pending": {
            "synced": "whole, verified, durable",
            "skipped": "already archived",
            "failed": "permanent error or retries exhausted",
        },
        "failed": {"pending": "retry"},
        "synced": {},
        "skipped": {},
    },
    ListingStatus: {
        "waiting": {"open": "queued"},
        "open": {"listed": "last page committed", "failed": "permanent error"},
        "listed": {"open": "retry lists mended documents again"},
        "failed": {"open": "retry"},
    },
    ChoreStatus: {
        "waiting": {"running": "a clerk took it", "cancelled": "a person", "failed": "given up"},
        "running": {
            "done": "performed",
            "failed": "error, or its clerks died of it",
            "cancelled": "a person",
        },
        "done": {},
        "failed": {},
        "cancelled": {},
    },
    NoticeStatus: {
        "waiting": {"sent": "taken by its channel", "failed": "given up after a day"},
        "sent": {"waiting": "sent again by a person"},
        "failed": {"waiting": "sent again by a person"},
    },
    PushStatus: {
        "waiting": {"pushed": "submitted", "failed": "permanent error or retries exhausted"},
        "pushed": {
            "confirmed": "the target says so",
            "failed": "the target does not know it",
            "waiting": "a newer version",
        },
        "confirmed": {"waiting": "a newer version", "failed": "reconciliation misses it"},
        "failed": {"waiting": "retry or a newer version"},
    },
}

LABELS: dict[type[StrEnum], dict[str, tuple[str, str]]] = {
    RunStatus: {
        "waiting": ("待运行", "waiting"),
        "running": ("运行中", "running"),
        "ended": ("已结束", "ended"),
    },
    SyncStatus: {
        "pending": ("待同步", "pending"),
        "partial": ("部分同步完成", "partly synced"),
        "complete": ("全部同步完成", "fully synced"),
        "failed": ("同步失败", "failed"),
    },
    ItemStatus: {
        "pending": ("待处理", "pending"),
        "synced": ("已迁移", "synced"),
        "skipped": ("已跳过", "skipped"),
        "failed": ("失败", "failed"),
    },
    ListingStatus: {
        "waiting": ("待清点", "not listed"),
        "open": ("清点中", "listing"),
        "listed": ("已清点", "listed"),
        "failed": ("清点失败", "listing failed"),
    },
    ChoreStatus: {
        "waiting": ("等待", "waiting"),
        "running": ("进行中", "running"),
        "done": ("完成", "done"),
        "failed": ("失败", "failed"),
        "cancelled": ("已取消", "cancelled"),
    },
    NoticeStatus: {
        "waiting": ("待发送", "waiting"),
        "sent": ("已发送", "sent"),
        "failed": ("未送达", "not delivered"),
    },
    PushStatus: {
        "waiting": ("待推送", "waiting"),
        "pushed": ("已推送", "pushed"),
        "confirmed": ("已确认", "confirmed"),
        "failed": ("推送失败", "failed"),
    },
}


def label(status: Status | SyncStatus, language: str) -> str:
    """The word on screen for a status, in ``zh`` or ``en``."""
    return LABELS[type(status)][status][0 if language.startswith("zh") else 1]


def check(old: Status, new: Status) -> None:
    """Refuse a change that the table does not name.

    :raises IllegalTransition: naming both statuses
    """
    if new not in TRANSITIONS[type(old)][old]:
        raise IllegalTransition(f"{type(old).__name__}: {old} → {new}")


def diagram() -> str:
    """The table as a Markdown page of Mermaid state diagrams."""
    parts = [
        "# 状态 States",
        "",
        "由 `python -m portal.statuses` 生成 generated from the table.",
        "",
    ]
    for kind, changes in TRANSITIONS.items():
        parts += [f"## {kind.__name__}", "", "```mermaid", "stateDiagram-v2"]
        parts += [
            f"    {old} --> {new}: {why}"
            for old, targets in changes.items()
            for new, why in targets.items()
        ]
        parts += ["```", ""]
    return "\n".join(parts)


if __name__ == "__main__":
    print(diagram(), end="")  # noqa: T201
