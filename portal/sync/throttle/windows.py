"""Time windows: at which hours of which weekdays a source may be worked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from portal.errors import InvalidSetting

_WINDOW = re.compile(r"([1-7](?:-[1-7])?(?:,[1-7](?:-[1-7])?)*) (\d\d:\d\d)-(\d\d:\d\d)", re.ASCII)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Window:
    """From ``begin`` to ``end`` after midnight of the days (1 is Monday) it begins on."""

    days: frozenset[int]
    begin: timedelta
    end: timedelta


class TimeWindows:
    """Windows such as ``1-5 20:00-07:00`` (Monday to Friday from eight in the evening) in a zone.

    A window whose end is not after its beginning ends on the next day; ``24:00`` is the end of a
    day. None at all means always.

    :raises ValueError: naming what is no window
    """

    def __init__(self, texts: Sequence[str], zone: ZoneInfo) -> None:
        self._zone = zone
        self._windows = [_parsed(text) for text in texts]

    def is_open(self, now: datetime) -> bool:
        """Whether the source may be worked at this instant."""
        return not self._windows or any(begin <= now < end for begin, end in self._near(now))

    def opens_at(self, now: datetime) -> datetime | None:
        """The next opening, None while they are open."""
        if self.is_open(now):
            return None
        return min(begin for begin, _ in self._near(now) if begin > now)

    def _near(self, now: datetime) -> list[tuple[datetime, datetime]]:
        """The windows of yesterday and of the eight days from today, as instants."""
        today = now.astimezone(self._zone).date()
        near = []
        for day in (today + number * _DAY for number in range(-1, 9)):
            near += [
                (self._instant(day, window.begin), self._instant(day, window.end))
                for window in self._windows
                if day.isoweekday() in window.days
            ]
        return near

    def _instant(self, day: date, after_midnight: timedelta) -> datetime:
        whole_days, rest = divmod(after_midnight, _DAY)
        hour, minute = divmod(int(rest.total_seconds()) // 60, 60)
        return datetime.combine(day + whole_days * _DAY, time(hour, minute), tzinfo=self._zone)


def _parsed(text: str) -> _Window:
    match = _WINDOW.fullmatch(" ".join(text.split()))
    if match is None:
        raise InvalidSetting(
            f"时间窗口“{text}”：须写成如 1-5 20:00-07:00",
            f"time window {text!r}: must look like '1-5 20:00-07:00'",
        )
    days: set[int] = set()
    for part in match[1].split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            raise InvalidSetting(
                f"时间窗口“{text}”：星期的先后颠倒了",
                f"time window {text!r}: the days run backwards",
            )
        days.update(range(int(first), int(last or first) + 1))
    begin, end = (_after_midnight(clock, text) for clock in (match[2], match[3]))
    return _Window(frozenset(days), begin, end if end > begin else end + _DAY)


def _after_midnight(clock: str, text: str) -> timedelta:
    if clock == "24:00":
        return _DAY
    try:
        parsed = time.fromisoformat(clock)
    except ValueError:
        raise InvalidSetting(
            f"时间窗口“{text}”：{clock} 不是一天中的时刻",
            f"time window {text!r}: {clock} is no time of day",
        ) from None
    return timedelta(hours=parsed.hour, minutes=parsed.minute)
