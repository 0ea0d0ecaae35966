from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from portal.sync.throttle.windows import TimeWindows

SHANGHAI = ZoneInfo("Asia/Shanghai")
NIGHTS = ["1-5 20:00-07:00", "6,7 00:00-24:00"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


# 2026-11-23 is a Monday.
@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-23 19:59:59", "2026-11-23 20:00"),
        ("2026-11-23 20:00", None),
        ("2026-11-24 06:59:59", None),
        ("2026-11-24 07:00", "2026-11-24 20:00"),
        ("2026-11-28 06:59", None),
        ("2026-11-28 12:00", None),  # Saturday
        ("2026-11-29 23:59:59", None),
        ("2026-11-23 00:00", "2026-11-23 20:00"),  # Sunday's window ends at midnight
    ],
)
def test_nights_and_week_ends(now: str, opens: str | None) -> None:
    windows = TimeWindows(NIGHTS, SHANGHAI)
    assert windows.is_open(at(now)) == (opens is None)
    assert windows.opens_at(at(now)) == (at(opens) if opens else None)


def test_no_window_is_always_open() -> None:
    assert TimeWindows([], SHANGHAI).is_open(at("2026-11-23 12:00"))


def test_a_window_once_a_week_opens_next_week() -> None:
    windows = TimeWindows(["1 08:00-09:00"], SHANGHAI)
    assert windows.opens_at(at("2026-11-23 09:00")) == at("2026-11-30 08:00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nights",
        "0-5 20:00-07:00",
        "8 20:00-07:00",
        "5-1 20:00-07:00",
        "1 25:00-26:00",
        "1 20-7",
    ],
)
def test_what_is_no_window_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="time window"):
        TimeWindows([text], SHANGHAI)
