"""What the source itself says of a scope before a batch of it is made: month by month."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from zoneinfo import ZoneInfo

from portal.services.batches import BatchScope
from portal.services.months import MonthRange, months_between
from portal.services.patience import Wait, patiently
from portal.sync.sources.base import Source
from portal.sync.sources.rows import Scope


@dataclass(frozen=True, slots=True)
class MonthCount:
    """The source's count of a month; files and bytes are none where it does not tell them."""

    month: str
    documents: int
    files: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What the documents of one page add up to, of those that tell the sizes of all files."""

    documents: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What is known of a scope, as far as it was counted.

    :param of_months: how many months the scope has
    :param sample: taken when the counts tell no sizes
    :param archived: documents of the scope that are in the archive already
    :param unarchived: those that earlier batches listed and that are not
    """

    of_months: int
    months: tuple[MonthCount, ...] = ()
    sample: Sample | None = None
    archived: int = 0
    unarchived: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the ledger and for scripts."""
        return {**asdict(self), "months": [asdict(month) for month in self.months]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Back from :meth:`as_json`."""
        fields = dict(value)
        fields["months"] = tuple(MonthCount(**month) for month in fields["months"])
        fields["sample"] = Sample(**fields["sample"]) if fields["sample"] else None
        return cls(**fields)

    @property
    def is_complete(self) -> bool:
        """Whether every month was counted."""
        return len(self.months) == self.of_months

    @property
    def documents(self) -> int:
        """Those counted so far."""
        return sum(month.documents for month in self.months)

    @property
    def files(self) -> int | None:
        """As the source counts them; none unless it tells them of every month with documents."""
        return _sum([month.files for month in self.months if month.documents])

    @property
    def bytes(self) -> int | None:
        """As for files. No document is empty, so a source that says nothing means nothing."""
        return _sum([month.bytes for month in self.months if month.documents])


def months_of(scope: BatchScope, zone: ZoneInfo) -> list[MonthRange]:
    """The months that are counted."""
    return list(months_between(scope.date_from, scope.date_to, zone))


def count_months(
    source: Source, scope: BatchScope, months: list[MonthRange], wait: Wait
) -> Iterator[MonthCount]:
    """Count month by month, the way the batch would list them.

    :param wait: waits so many seconds, when the source limits the rate; what it raises ends it
    :raises SyncError: when the source cannot be asked
    """
    for month in months:
        asked = _asked(scope, month)
        count = patiently(lambda asked=asked: source.count(asked), wait)  # type: ignore[misc]
        yield MonthCount(month.month, count.documents, count.files, count.bytes)


def with_sample(
    source: Source, scope: BatchScope, months: list[MonthRange], counted: Counted, wait: Wait
) -> Counted:
    """The same with a sample of the sizes, where the counts tell none.

    :raises SyncError: when the source cannot be asked
    """
    if counted.bytes is not None:
        return counted
    fullest = max(range(len(months)), key=lambda place: counted.months[place].documents)
    return replace(counted, sample=_sample(source, scope, months[fullest], wait))


def _sample(source: Source, scope: BatchScope, month: MonthRange, wait: Wait) -> Sample | None:
    """What the documents of a month's first page add up to; none when no sizes are declared."""
    page = patiently(lambda: source.page(_asked(scope, month), 1), wait)
    sized = [
        [file.size for file in document.files if file.size is not None]
        for document in page.documents
        if document.problem is None
        and document.files
        and all(file.size is not None for file in document.files)
    ]
    if not sized:
        return None
    return Sample(len(sized), sum(map(len, sized)), sum(map(sum, sized)))


def _asked(scope: BatchScope, month: MonthRange) -> Scope:
    return Scope(month.starts_at, month.ends_at, scope.org_codes, scope.bill_type_codes)


def _sum(values: list[int | None]) -> int | None:
    told = [value for value in values if value]
    return sum(told) if len(told) == len(values) else None
