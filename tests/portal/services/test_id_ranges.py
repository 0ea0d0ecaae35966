"""Ranges are sets of numbers, only shorter."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.services.id_ranges import (
    count_of,
    ids_of,
    ranges_in,
    ranges_of,
    spans_over,
    text_of,
    without,
)

SETS = st.sets(st.integers(1, 60), max_size=40)


@given(numbers=SETS.filter(bool))
def test_ranges_are_the_set_and_survive_being_written(numbers: set[int]) -> None:
    ranges = ranges_of(sorted(numbers))
    assert list(ids_of(ranges)) == sorted(numbers)
    assert count_of(ranges) == len(numbers)
    assert ranges_in(text_of(ranges)) == ranges


@given(numbers=SETS, taken=SETS)
def test_without_is_the_difference(numbers: set[int], taken: set[int]) -> None:
    left = without(ranges_of(sorted(numbers)), ranges_of(sorted(taken)))
    assert list(ids_of(left)) == sorted(numbers - taken)


@given(numbers=SETS, near=st.integers(1, 20))
def test_spans_hold_all_and_are_far_apart(numbers: set[int], near: int) -> None:
    spans = spans_over(ranges_of(sorted(numbers)), nearer_than=near)
    assert numbers <= set(ids_of(spans))
    assert all(second[0] - first[1] > near for first, second in pairwise(spans))


@pytest.mark.parametrize("junk", ["", "a", "1-", "2-1", "2,1", "1, 2", "1-2-3", "01", "1,1"])
def test_what_is_no_ranges_is_refused(junk: str) -> None:
    with pytest.raises(ValueError, match=r"ids|int"):
        ranges_in(junk)
