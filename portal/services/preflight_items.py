"""The items of 确保前提, and how what was found about one is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from portal.errors import SyncError, action, reason
from portal.services.source_check import Finding, State

#: What a person looks at and ticks by hand, with what the manual says of it.
BY_HAND: Mapping[str, tuple[str, str]] = {
    "version": (
        "私有化影像系统版本和公有云一致",
        "the private system's version equals the public cloud's",
    ),
    "licence": ("私有化影像系统许可已经导入", "the private system's licence is imported"),
}
_GRAVITY: Sequence[State] = ("failed", "warning", "ok")


def failed(
    item: str,
    error: SyncError,
    *,
    seconds: float | None = None,
    state: State = "failed",
    more: tuple[str, str] = ("", ""),
) -> Finding:
    """What went wrong with an item, as the catalogue words it.

    :param more: put behind the reason, in Chinese and English
    """
    zh, en = (reason(error.code, error.params, language) for language in ("zh", "en"))
    return Finding(
        item,
        state,
        f"{error.code} {zh}{more[0]}",
        f"{error.code} {en}{more[1]}",
        todo_zh=action(error.code, error.params, "zh"),
        todo_en=action(error.code, error.params, "en"),
        code=error.code,
        seconds=seconds,
    )


def gravest(states: Iterable[str]) -> State:
    """The worst of them; skipped when nothing was tried."""
    there = set(states)
    return next((state for state in _GRAVITY if state in there), "skipped")


def kept(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as the ledger keeps them."""
    return [asdict(finding) for finding in findings]


def read(kept: Sequence[Mapping[str, Any]] | None) -> list[Finding]:
    """Findings as they were kept."""
    return [Finding(**one) for one in kept or ()]
