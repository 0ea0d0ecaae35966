"""Whether a month of a data source is whole, by what its batches say; no query in here.

Whole means: batches without a limit to organisations or types, together, cover every instant of the
month; each of them has listed it to its end and synced all it listed; no other batch that counts
says otherwise; and no 核对 has found one of its documents damaged. A document is synced only when
every file of it was verified, so a whole month is verified too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import combinations, permutations
from zoneinfo import ZoneInfo

from portal.models import Batch, DataSource, Slice
from portal.services.verification_scope import month_range
from portal.statuses import ListingStatus, RunStatus, SyncStatus

_MOST_SHOWN = 20
Days = tuple[date, date]
"""The first and the last day, both included."""


class MonthState(StrEnum):
    """What can be said of a month over all batches."""

    WHOLE = "whole"
    PART = "part"
    UNEQUAL = "unequal"
    DAMAGED = "damaged"
    RUNNING = "running"
    NOTHING = "nothing"


_LABELS = {
    MonthState.WHOLE: ("✓ 整月相等，已核对", "✓ whole and verified"),
    MonthState.PART: ("相等，未覆盖整月", "equal, not the whole month"),
    MonthState.UNEQUAL: ("不相等", "not equal"),
    MonthState.DAMAGED: ("相等，有损坏", "equal, damaged"),
    MonthState.RUNNING: ("进行中", "running"),
    MonthState.NOTHING: ("未开始", "not begun"),
}


def month_label(state: MonthState, language: str) -> str:
    """The words on screen for a state, in ``zh`` or ``en``."""
    return _LABELS[state][0 if language.startswith("zh") else 1]


def superseded(group: Sequence[tuple[Slice, Batch]]) -> set[int]:
    """Ids of those months of batches that a later batch has listed again as a whole.

    That batch began after the other one had ended, and neither its days nor its codes leave
    anything of the other out: all codes do not, and the same ones.

    :param group: the same month of one source, of all batches that are not deleted
    """
    by_scope: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[Slice, Batch]]] = {}
    for part, batch in group:
        if part.listing_status is ListingStatus.LISTED:
            scope = (tuple(batch.org_codes), tuple(batch.bill_type_codes))
            by_scope.setdefault(scope, []).append((part, batch))
    return {
        part.id
        for part, batch in group
        if batch.is_finished
        for orgs in {(), tuple(batch.org_codes)}
        for types in {(), tuple(batch.bill_type_codes)}
        for other_part, other in by_scope.get((orgs, types), ())
        if _came_after(other, batch)
        and other_part.starts_at <= part.starts_at
        and other_part.ends_at >= part.ends_at
    }


def _came_after(other: Batch, batch: Batch) -> bool:
    began, ended = other.started_at, batch.ended_at
    return began is not None and ended is not None and began > ended


@dataclass(frozen=True, slots=True)
class MonthOfBatch:
    """A month of one batch.

    :param superseded: a later batch has listed all of it again
    :param damaged: how many of its archived documents a verification found damaged or missing
    """

    part: Slice
    batch: Batch
    superseded: bool
    damaged: int

    @property
    def counts(self) -> bool:
        """Whether it has begun and no later one has taken its place."""
        return not self.superseded and self.part.listing_status is not ListingStatus.WAITING

    @property
    def is_complete(self) -> bool:
        """Whether all that the source listed is synced."""
        return self.part.sync_status is SyncStatus.COMPLETE

    @property
    def is_unlimited(self) -> bool:
        """Whether it is about all organisations and all types."""
        return not self.batch.org_codes and not self.batch.bill_type_codes

    @property
    def can_be_retried(self) -> bool:
        """Whether 再同步 would find something to do."""
        lacks = self.part.listing_status is ListingStatus.FAILED or self.part.is_short
        ended = self.batch.is_finished and not self.batch.cancelled_by
        return ended and bool(self.part.failed or lacks)

    def days(self, zone: ZoneInfo) -> Days:
        """The part of the month that is covered."""
        return _days(self.part.starts_at, self.part.ends_at, zone)

    def contains(self, other: MonthOfBatch) -> bool:
        """Whether every document of the other could be one of this."""
        return (
            self.part.starts_at <= other.part.starts_at
            and self.part.ends_at >= other.part.ends_at
            and _takes_in(self.batch.org_codes, other.batch.org_codes)
            and _takes_in(self.batch.bill_type_codes, other.batch.bill_type_codes)
        )

    def overlaps(self, other: MonthOfBatch) -> bool:
        """Whether a document could be one of both."""
        return (
            self.part.starts_at < other.part.ends_at
            and other.part.starts_at < self.part.ends_at
            and _meet(self.batch.org_codes, other.batch.org_codes)
            and _meet(self.batch.bill_type_codes, other.batch.bill_type_codes)
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """Documents of a month, each counted once.

    ``at_least``: a narrower batch, complete too, may know of some that are not among them.
    """

    total: int
    done: int
    failed: int
    at_least: bool


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month of a data source, with what every batch says of it, in order."""

    month: str
    source: DataSource
    parts: Sequence[MonthOfBatch]

    @property
    def key(self) -> str:
        """A word for it, for addresses and ids."""
        return f"{self.month}.{self.source.id}"

    @property
    def shown(self) -> Sequence[MonthOfBatch]:
        """The parts a page shows, in order: not more than it can, what lacks something first."""
        by_need = sorted(self.parts, key=lambda one: (not one.counts, one.is_complete))
        chosen = {id(one) for one in by_need[:_MOST_SHOWN]}
        return [one for one in self.parts if id(one) in chosen]

    @property
    def is_moving(self) -> bool:
        """Whether a batch of it is running."""
        return any(one.batch.run_status is RunStatus.RUNNING for one in self.parts)

    def state(self, zone: ZoneInfo) -> MonthState:
        """What can be said of it."""
        counting = [one for one in self.parts if one.counts]
        if not counting:
            return MonthState.NOTHING
        running = [one for one in counting if one.batch.run_status is RunStatus.RUNNING]
        if any(not one.part.is_settled for one in running):
            return MonthState.RUNNING
        if not all(one.is_complete for one in counting):
            return MonthState.UNEQUAL
        if any(one.damaged for one in counting):
            return MonthState.DAMAGED
        whole = month_range(self.month, zone)
        covered = self._covered()
        return (
            MonthState.WHOLE if covered == [(whole.starts_at, whole.ends_at)] else MonthState.PART
        )

    def days(self, zone: ZoneInfo) -> Days:
        """All of it."""
        whole = month_range(self.month, zone)
        return _days(whole.starts_at, whole.ends_at, zone)

    def covered_days(self, zone: ZoneInfo) -> list[Days]:
        """The days that batches of all organisations and types have listed to the end."""
        return [_days(first, end, zone) for first, end in self._covered()]

    def sums(self) -> Sums | None:
        """The counts over all batches; none where that would take looking at every document."""
        counting = [one for one in self.parts if one.counts]
        inner = {
            id(one)
            for one, other in permutations(counting, 2)
            if one.is_complete and _stands_behind(one, other)
        }
        outer = [one for one in counting if id(one) not in inner]
        if not outer or any(one.overlaps(other) for one, other in combinations(outer, 2)):
            return None
        return Sums(
            total=sum(one.part.total for one in outer),
            done=sum(one.part.done for one in outer),
            failed=sum(one.part.failed for one in outer),
            at_least=bool(inner),
        )

    def _covered(self) -> list[tuple[datetime, datetime]]:
        """The instants, in stretches that do not touch each other."""
        stretches: list[tuple[datetime, datetime]] = []
        ranges = sorted(
            (one.part.starts_at, one.part.ends_at)
            for one in self.parts
            if one.counts and one.is_unlimited and one.part.is_counted
        )
        for first, end in ranges:
            begun, reached = stretches.pop() if stretches else (first, first)
            if first > reached:
                stretches.append((begun, reached))
                begun = first
            stretches.append((begun, max(end, reached)))
        return stretches


def _stands_behind(one: MonthOfBatch, other: MonthOfBatch) -> bool:
    """Whether the other takes it in; of two that take each other in, the later batch stands."""
    equal = one.contains(other)
    return other.contains(one) and not (equal and one.batch.id > other.batch.id)


def _takes_in(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    return not wide or (bool(narrow) and set(narrow) <= set(wide))


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    return not one or not other or bool(set(one) & set(other))


def _days(first: datetime, end: datetime, zone: ZoneInfo) -> Days:
    last = end.astimezone(zone) - timedelta(microseconds=1)
    return first.astimezone(zone).date(), last.date()
