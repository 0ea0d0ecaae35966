"""优先级: which of several batches idle workers turn to first."""

from __future__ import annotations

from enum import StrEnum


class Priority(StrEnum):
    """How much a batch is preferred; how, see :mod:`portal.tasks.offering`."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


PRIORITY_LABELS: dict[Priority, tuple[str, str]] = {
    Priority.HIGH: ("高", "high"),
    Priority.NORMAL: ("普通", "normal"),
    Priority.LOW: ("低", "low"),
}


def priority_label(priority: Priority, language: str) -> str:
    """The word on screen, in ``zh`` or ``en``."""
    return PRIORITY_LABELS[priority][0 if language.startswith("zh") else 1]
