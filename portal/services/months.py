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
        next_month = _next_month(day)
        end = min(next_month, last + timedelta(days=1))
        yield MonthRange(f"{day:%Y-%m}", _midnight(day, zone), _midnight(end, zone))
        day = next_month


def whole_month(day: date, zone: ZoneInfo) -> MonthRange:
    """The calendar month that a day lies in."""
    first = day.replace(day=1)
    (month,) = months_between(first, _next_month(first) - timedelta(days=1), zone)
    return month


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
