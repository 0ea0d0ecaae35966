"""Times that are only known roughly, in words."""

from __future__ import annotations

_UNITS = (
    (86400.0, "天", "days"),
    (3600.0, "小时", "h"),
    (60.0, "分钟", "min"),
    (1.0, "秒", "s"),
)


def time_range(shortest: float, longest: float, language: str) -> str:
    """``12 分钟 – 1.5 小时``; one figure when both come out the same.

    :param shortest: seconds
    :param longest: seconds
    """
    texts = [_text(seconds, language) for seconds in (shortest, longest)]
    return texts[0] if texts[0] == texts[1] else " – ".join(texts)


def _text(seconds: float, language: str) -> str:
    seconds = max(seconds, 1.0)
    size, zh, en = next(unit for unit in _UNITS if seconds >= unit[0])
    amount = seconds / size
    rounded = f"{amount:.0f}" if amount >= 10 or size == 1.0 else f"{amount:.1f}".removesuffix(".0")
    return f"{rounded} {zh if language.startswith('zh') else en}"
