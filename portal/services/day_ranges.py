"""月、季、半年、年: the ranges of days that people mean by a word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

Days = tuple[date, date]


def ranges_at(today: date) -> Mapping[str, Days]:
    """The usual ranges by their names, as seen on a day; each is a whole one."""
    first = today.replace(day=1)
    last_month = (first - timedelta(days=1)).replace(day=1)
    quarter = _months(today.year, (today.month - 1) // 3 * 3 + 1, 3)
    before = quarter[0] - timedelta(days=1)
    return {
        "this-month": month_of(today),
        "last-month": month_of(last_month),
        "this-quarter": quarter,
        "last-quarter": _months(before.year, (before.month - 1) // 3 * 3 + 1, 3),
        "half-year": _months(today.year, 1 if today.month <= 6 else 7, 6),
        "this-year": _months(today.year, 1, 12),
        "last-year": _months(today.year - 1, 1, 12),
    }


def month_of(day: date) -> Days:
    """The calendar month of a day."""
    return _months(day.year, day.month, 1)


def month_named(text: str) -> Days | None:
    """The month written as ``2024-03``; none when it is no month."""
    try:
        return month_of(date.fromisoformat(f"{text}-01"))
    except ValueError:
        return None


def _months(year: int, month: int, count: int) -> Days:
    first = date(year, month, 1)
    ordinal = year * 12 + month - 1 + count
    return first, date(ordinal // 12, ordinal % 12 + 1, 1) - timedelta(days=1)
