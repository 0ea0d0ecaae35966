"""What a sample proves, exactly: the hypergeometric distribution in whole numbers; pure."""

from __future__ import annotations

import math
from fractions import Fraction

#: 95 %: with more wrong documents than the bound, so few findings come up less often than 1 in 20.
_SURPRISE = Fraction(1, 20)


def upper_bound(population: int, sample: int, found: int) -> int:
    """The largest number of wrong documents for which P(X ≤ found) is at least 5 %.

    X is how many of them a simple random sample holds. Exact: no float is involved.

    :raises ValueError: when there cannot be so many
    """
    if not 0 <= found <= sample <= population:
        raise ValueError(f"{found} of {sample} of {population}")
    low, high = found, population - (sample - found)
    while low < high:
        middle = (low + high + 1) // 2
        if is_plausible(population, sample, found, wrong=middle):
            low = middle
        else:
            high = middle - 1
    return low


def is_plausible(population: int, sample: int, found: int, *, wrong: int) -> bool:
    """Whether P(X ≤ found) is at least 5 % when so many documents are wrong."""
    right = population - wrong
    fewest = max(0, sample - right)
    if fewest > found:
        return False
    # Each number of hits in so many ways, computed from the one before.
    term = math.comb(wrong, fewest) * math.comb(right, sample - fewest)
    ways = term
    for hits in range(fewest, min(found, wrong)):
        term = (
            term * ((wrong - hits) * (sample - hits)) // ((hits + 1) * (right - sample + hits + 1))
        )
        ways += term
    return ways >= _SURPRISE * math.comb(population, sample)


def size_for(population: int, most_wrong: int, largest: int) -> int | None:
    """The smallest sample that, without a finding, bounds the wrong documents by ``most_wrong``.

    None when not even one of ``largest`` documents does.
    """
    if most_wrong >= population:
        return 0
    low, high = 1, min(largest, population)
    if high < 1 or is_plausible(population, high, 0, wrong=most_wrong + 1):
        return None
    while low < high:
        middle = (low + high) // 2
        if is_plausible(population, middle, 0, wrong=most_wrong + 1):
            low = middle + 1
        else:
            high = middle
    return low
