from __future__ import annotations

from datetime import date

import pytest

from portal.services.day_ranges import month_named, ranges_at
from portal.services.rough_times import time_range


def test_the_ranges_of_a_day_in_january_reach_back_into_the_year_before() -> None:
    found = {name: tuple(map(str, days)) for name, days in ranges_at(date(2024, 1, 31)).items()}
    assert found == {
        "this-month": ("2024-01-01", "2024-01-31"),
        "last-month": ("2023-12-01", "2023-12-31"),
        "this-quarter": ("2024-01-01", "2024-03-31"),
        "last-quarter": ("2023-10-01", "2023-12-31"),
        "half-year": ("2024-01-01", "2024-06-30"),
        "this-year": ("2024-01-01", "2024-12-31"),
        "last-year": ("2023-01-01", "2023-12-31"),
    }


def test_the_ranges_of_a_day_in_december_end_with_the_year() -> None:
    found = {name: tuple(map(str, days)) for name, days in ranges_at(date(2024, 12, 5)).items()}
    assert found["this-quarter"] == ("2024-10-01", "2024-12-31")
    assert found["half-year"] == ("2024-07-01", "2024-12-31")
    assert found["last-month"] == ("2024-11-01", "2024-11-30")


@pytest.mark.parametrize(
    "text", ["", "2024", "2024-13", "2024-02-01", "二月", "0000-01", "9999-12"]
)
def test_what_is_no_month_is_none(text: str) -> None:
    assert month_named(text) is None


def test_a_month_is_whole() -> None:
    assert month_named("2024-02") == (date(2024, 2, 1), date(2024, 2, 29))


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        ((0.2, 0.9), "1 秒", "1 s"),
        ((30, 90), "30 秒 – 1.5 分钟", "30 s – 1.5 min"),
        ((3600, 36_000), "1 小时 – 10 小时", "1 h – 10 h"),
        ((86_400 * 2.25, 86_400 * 30), "2.2 天 – 30 天", "2.2 days – 30 days"),
    ],
)
def test_rough_times_in_words(seconds: tuple[float, float], zh: str, en: str) -> None:
    assert time_range(*seconds, "zh") == zh
    assert time_range(*seconds, "en") == en
