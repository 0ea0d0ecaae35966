"""The bound a sample proves, against counting every way in which it could have come out."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.services.sample_bound import is_plausible, size_for, upper_bound


def by_counting(population: int, sample: int, found: int) -> int:
    """The largest D with P(X ≤ found) ≥ 5 %, every sample there can be looked at."""
    samples = list(combinations(range(population), sample))
    return max(
        wrong
        for wrong in range(found, population - (sample - found) + 1)
        if Fraction(
            sum(sum(one < wrong for one in chosen) <= found for chosen in samples), len(samples)
        )
        >= Fraction(1, 20)
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_bound_is_the_one_found_by_counting(data: st.DataObject) -> None:
    population = data.draw(st.integers(1, 11))
    sample = data.draw(st.integers(1, population))
    found = data.draw(st.integers(0, sample))
    assert upper_bound(population, sample, found) == by_counting(population, sample, found)


def test_known_values() -> None:
    assert upper_bound(100, 100, 3) == 3
    assert upper_bound(100, 0, 0) == 100
    assert upper_bound(10_000, 299, 0) == 98  # the rule of three says about 1 %
    assert upper_bound(1, 1, 1) == 1
    with pytest.raises(ValueError, match="5 of 4"):
        upper_bound(10, 4, 5)


@settings(deadline=None)
@given(st.integers(1, 100_000), st.integers(1, 400))
def test_one_more_would_be_a_surprise(population: int, sample: int) -> None:
    sample = min(sample, population)
    bound = upper_bound(population, sample, 0)
    assert is_plausible(population, sample, 0, wrong=bound)
    assert not is_plausible(population, sample, 0, wrong=bound + 1)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 50_000), st.integers(1, 500))
def test_the_size_is_the_smallest_that_proves_the_limit(population: int, share: int) -> None:
    most_wrong = population * share // 10_000
    size = size_for(population, most_wrong, 5000)
    if size is None:
        assert upper_bound(population, min(5000, population), 0) > most_wrong
        return
    assert upper_bound(population, size, 0) <= most_wrong
    assert upper_bound(population, size - 1, 0) > most_wrong
