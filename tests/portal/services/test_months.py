from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.services.months import months_between

SHANGHAI = ZoneInfo("Asia/Shanghai")


def months(first: str, last: str) -> list[str]:
    days = date.fromisoformat(first), date.fromisoformat(last)
    return [month.month for month in months_between(*days, SHANGHAI)]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2024-01-31", "2024-02-01", ["2024-01", "2024-02"]),
        ("2024-02-29", "2024-02-29", ["2024-02"]),
        ("2023-12-15", "2024-01-15", ["2023-12", "2024-01"]),
        ("2024-03-02", "2024-03-01", []),
    ],
)
def test_the_months_that_days_touch(first: str, last: str, expected: list[str]) -> None:
    assert months(first, last) == expected


def test_days_are_inclusive_and_begin_at_midnight_in_shanghai() -> None:
    (february,) = months_between(date(2024, 2, 29), date(2024, 2, 29), SHANGHAI)
    assert february.starts_at == datetime(2024, 2, 28, 16, 0, tzinfo=UTC)
    last_moment = datetime.fromisoformat("2024-02-29T23:59:59.999999+08:00")
    assert february.starts_at <= last_moment < february.ends_at
    assert last_moment + timedelta(microseconds=1) == february.ends_at


DAYS = st.dates(date(1992, 1, 1), date(2100, 1, 1))


@given(DAYS, st.integers(0, 800))
def test_months_join_without_gap_or_overlap(first: date, length: int) -> None:
    last = first + timedelta(days=length)
    found = list(months_between(first, last, SHANGHAI))
    assert found[0].starts_at == datetime.combine(first, datetime.min.time(), SHANGHAI)
    assert found[-1].ends_at == datetime.combine(
        last + timedelta(days=1), datetime.min.time(), SHANGHAI
    )
    assert all(one.ends_at == next_.starts_at for one, next_ in pairwise(found))
    assert len({one.month for one in found}) == len(found)
    for one in found:
        assert f"{one.starts_at.astimezone(SHANGHAI):%Y-%m}" == one.month
