"""Sets of row ids as ranges: a thousand consecutive ids are one pair of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

Range = tuple[int, int]
"""First and last id, both included."""


def ranges_of(ids: Iterable[int]) -> list[Range]:
    """The ranges of ascending ids."""
    ranges: list[Range] = []
    for number in ids:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def text_of(ranges: Iterable[Range]) -> str:
    """``7,12-2011``."""
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def ranges_in(text: str) -> list[Range]:
    """What :func:`text_of` wrote.

    :raises ValueError: when it is anything else, or the ids do not ascend
    """
    ranges: list[Range] = []
    for word in text.split(","):
        low, _, high = word.partition("-")
        ranges.append((int(low), int(high or low)))
    ascend = all(one[1] < other[0] for one, other in pairwise(ranges))
    if not ascend or any(low > high for low, high in ranges) or text_of(ranges) != text:
        raise ValueError(f"no ascending ids: {text[:40]!r}")
    return ranges


def count_of(ranges: Iterable[Range]) -> int:
    """How many ids."""
    return sum(high - low + 1 for low, high in ranges)


def ids_of(ranges: Iterable[Range]) -> Iterator[int]:
    """Every id, one by one."""
    for low, high in ranges:
        yield from range(low, high + 1)


def without(ranges: Iterable[Range], taken: Sequence[Range]) -> list[Range]:
    """The ids that are in ``ranges`` and not in ``taken``; both ascend."""
    left: list[Range] = []
    position = 0
    for low, high in ranges:
        start = low
        while position < len(taken) and taken[position][0] <= high:
            hole, end = taken[position]
            if start < hole:
                left.append((start, hole - 1))
            start = max(start, end + 1)
            if end > high:
                break  # it reaches into the next range too
            position += 1
        if start <= high:
            left.append((start, high))
    return left


def spans_over(ranges: Iterable[Range], *, nearer_than: int) -> list[Range]:
    """Fewer and longer ranges that hold all the ids, and others in between, for a query."""
    spans: list[Range] = []
    for low, high in ranges:
        if spans and low - spans[-1][1] <= nearer_than:
            spans[-1] = (spans[-1][0], high)
        else:
            spans.append((low, high))
    return spans
