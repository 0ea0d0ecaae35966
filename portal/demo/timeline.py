"""When the documents were collected: time by index and back, by arithmetic.

Times are whole seconds since 1970 and grow strictly with the index. The first document of a
month carries its very first instant and the last one 23:59:59 of its last day, because the edges
of months are where counts go wrong.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta, timezone
from itertools import accumulate

SHANGHAI = timezone(timedelta(hours=8))


class Timeline:
    """Spreads documents unevenly over calendar months in Asia/Shanghai.

    :param first_month: ``yyyy-MM``
    :raises ValueError: when a month would hold more documents than seconds
    """

    def __init__(self, documents: int, first_month: str, months: int, seed: int) -> None:
        year, month = (int(part) for part in first_month.split("-"))
        ordinals = range(year * 12 + month - 1, year * 12 + month + months)
        firsts = [datetime(o // 12, o % 12 + 1, 1, tzinfo=SHANGHAI) for o in ordinals]
        self.documents = documents
        self.months = tuple(first.strftime("%Y-%m") for first in firsts[:-1])
        self._seed = seed
        self._starts = [int(first.timestamp()) for first in firsts]
        self._bounds = _shared_out(documents, months, seed)
        for number in range(months):
            if self._width(number) > self._seconds(number):
                raise ValueError(f"{documents} documents are too many for {months} months")

    def month_range(self, number: int) -> range:
        """The indexes of the documents of the month of that number, from 0."""
        return range(self._bounds[number], self._bounds[number + 1])

    def second(self, index: int) -> int:
        """When the document was collected."""
        month = bisect_right(self._bounds, index) - 1
        position, width = index - self._bounds[month], self._width(month)
        if position == width - 1 > 0:
            return self._starts[month + 1] - 1
        slot = self._seconds(month) // width
        offset = position * self._seconds(month) // width
        # The jitter stays inside the document's own slot, so order is kept.
        jitter = (index * 2654435761 + self._seed) % slot if position else 0
        return self._starts[month] + offset + jitter

    def text(self, index: int) -> str:
        """The same as ISO 8601 with offset."""
        return datetime.fromtimestamp(self.second(index), SHANGHAI).isoformat()

    def between(self, starts_at: datetime, ends_at: datetime) -> range:
        """The indexes of what was collected in the half-open range of aware instants."""
        low, high = (self._first_from(moment) for moment in (starts_at, ends_at))
        return range(low, max(low, high))

    def _first_from(self, moment: datetime) -> int:
        since_1970 = moment - datetime(1970, 1, 1, tzinfo=UTC)
        second = math.ceil(since_1970 / timedelta(seconds=1))
        return bisect_left(range(self.documents), second, key=self.second)

    def _width(self, month: int) -> int:
        return self._bounds[month + 1] - self._bounds[month]

    def _seconds(self, month: int) -> int:
        return self._starts[month + 1] - self._starts[month]


def _shared_out(documents: int, months: int, seed: int) -> list[int]:
    """Where each month begins, as indexes; one more than there are months."""
    weights = random.Random(seed).choices(range(80, 121), k=months)  # noqa: S311 - no secret
    total = sum(weights)
    return [0, *(documents * part // total for part in accumulate(weights))]
