"""Inclusive days as people type them, and the half-open ranges of instants behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class MonthRange:
    """A calendar month, or the covered part of one: ``starts_at <= moment < ends_at``."""

    month: str
    starts_at: datetime
    ends_at: datetime


def months_between(first: date, last: date, zone: ZoneInfo) -> Iterator[MonthRange]:
    """The months that the days ``first`` to ``last`` (both included) touch, in order."""
    day = first
    while day <= last:
        next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        end = min(next_month, last + timedelta(days=1))
        yield MonthRange(f"{day:%Y-%m}", _midnight(day, zone), _midnight(end, zone))
        day = next_month


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
