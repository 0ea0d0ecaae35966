"""Documents, files, bytes and amounts of any range of documents, without visiting them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from portal.demo.plans import PERIOD, Plan


class Totals(NamedTuple):
    """What a set of documents adds up to; the amount is in cents (分)."""

    documents: int = 0
    files: int = 0
    bytes: int = 0
    cents: int = 0

    def plus(self, other: Totals) -> Totals:
        """The sum of both."""
        return Totals(
            self.documents + other.documents,
            self.files + other.files,
            self.bytes + other.bytes,
            self.cents + other.cents,
        )

    def times(self, factor: int) -> Totals:
        """So many times as much."""
        return Totals(*(mine * factor for mine in self))


@dataclass(frozen=True, slots=True)
class Group:
    """The sums of one month, organisation and document type."""

    month: str
    org_code: str
    bill_type_code: str
    totals: Totals


class Sums:
    """Running totals over one period of plans, for each organisation and document type.

    :param differences: by how many bytes a planted document is bigger than its regular plan
    """

    def __init__(self, plans: Sequence[Plan], differences: Mapping[int, int]) -> None:
        self._plans = plans
        self._differences = differences
        slots: dict[tuple[str, str], list[int]] = defaultdict(list)
        for slot, plan in enumerate(plans):
            slots[_key(plan)].append(slot)
        self._running = {key: _running(plans, slots[key]) for key in sorted(slots)}
        self._example = {key: plans[slots[key][0]] for key in slots}

    def groups(self, month: str, span: range, takes: Callable[[Plan], bool]) -> Iterator[Group]:
        """The groups of a range of indexes that lies within one month; no empty ones."""
        for key, running in self._running.items():
            if takes(self._example[key]):
                totals = _upto(running, span.stop).plus(_upto(running, span.start).times(-1))
                if totals.documents:
                    org_code, bill_type_code = key
                    totals = totals.plus(Totals(bytes=self._difference(key, span)))
                    yield Group(month, org_code, bill_type_code, totals)

    def everything(self, span: range) -> Totals:
        """The totals of a range of indexes."""
        return total(group.totals for group in self.groups("", span, lambda _: True))

    def _difference(self, key: tuple[str, str], span: range) -> int:
        return sum(
            difference
            for index, difference in self._differences.items()
            if index in span and _key(self._plans[index % PERIOD]) == key
        )


def total(parts: Iterable[Totals]) -> Totals:
    """All of them together."""
    result = Totals()
    for part in parts:
        result = result.plus(part)
    return result


def _key(plan: Plan) -> tuple[str, str]:
    return plan.organisation.code, plan.bill_type.code


def _running(plans: Sequence[Plan], slots: Sequence[int]) -> list[Totals]:
    """At place n, the totals of those of the given slots that are below n."""
    single = [Totals()] * PERIOD
    for slot in slots:
        plan = plans[slot]
        single[slot] = Totals(1, len(plan.files), plan.size, plan.cents)
    return list(accumulate(single, Totals.plus, initial=Totals()))


def _upto(running: Sequence[Totals], index: int) -> Totals:
    """The totals of all documents before an index."""
    return running[-1].times(index // PERIOD).plus(running[index % PERIOD])
