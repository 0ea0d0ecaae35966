"""One thing that was looked at, and what may be said of it to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.errors import SyncError, action, reason

#: What each check is about, in Chinese and English.
NAMES: Mapping[str, tuple[str, str]] = {
    "ledger": ("账本", "ledger"),
    "schema": ("账本结构", "schema"),
    "agent": ("代理进程", "agent"),
    "worker": ("工作进程", "workers"),
    "clock": ("时钟", "clock"),
    "queue": ("任务队列", "queue"),
    "archive": ("归档", "archive"),
    "disk": ("磁盘空间", "disk room"),
    "web": ("网页进程", "web"),
    "clerk": ("后台作业进程", "clerk"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """What came of one look.

    :ivar code: of the catalogue; empty when all is well
    :ivar params: fill the code's reason; may name hosts and paths, so strangers never see them
    :ivar detail: figures and names in Chinese and English, for those who run the installation
    """

    name: str
    ok: bool
    code: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    detail: tuple[str, str] = ("", "")

    def as_public(self) -> dict[str, Any]:
        """What anybody may know: which check failed, by its code and its general words."""
        public = dict.fromkeys(self.params, "…")
        return {
            "check": self.name,
            "ok": self.ok,
            "code": self.code or None,
            "zh": self._text("zh", public),
            "en": self._text("en", public),
            "todo_zh": self.todo("zh"),
            "todo_en": self.todo("en"),
        }

    def as_private(self) -> dict[str, Any]:
        """The same with what happened in particular."""
        return {
            **self.as_public(),
            "zh": self.text("zh"),
            "en": self.text("en"),
            "detail_zh": self.detail[0],
            "detail_en": self.detail[1],
        }

    def text(self, language: str) -> str:
        """What was found, in ``zh`` or ``en``."""
        return self._text(language, self.params)

    def todo(self, language: str) -> str:
        """What to do about it; empty when there is nothing to do."""
        return action(self.code, {}, language) if self.code else ""

    def about(self, language: str) -> str:
        """What was looked at."""
        return NAMES[self.name][0 if language.startswith("zh") else 1]

    def _text(self, language: str, params: Mapping[str, object]) -> str:
        if self.code:
            return reason(self.code, params, language)
        return "正常" if language.startswith("zh") else "fine"


def fine(name: str, zh: str = "", en: str = "") -> Check:
    """All is well with it."""
    return Check(name, ok=True, detail=(zh, en))


def failed(name: str, error: SyncError, zh: str = "", en: str = "") -> Check:
    """Something is wrong with it."""
    return Check(name, ok=False, code=error.code, params=error.params, detail=(zh, en))
