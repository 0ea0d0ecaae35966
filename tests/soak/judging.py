"""Whether what was sampled is flat, or grows with the work alone.

What must be flat is judged by the Theil-Sen slope (the median of the slopes between all pairs of
samples), which single peaks do not move. What keeps a row for what was done must grow as fast in
the second half of the time as in the first, for each round of the same work.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from tests.soak.samples import Sample

# Pairs of more samples than that say nothing new.
_MOST_SAMPLES = 300
# What stays as it is however much is done; every other table keeps a row for what was done.
FLAT_TABLES = frozenset(
    {
        *("alembic_version", "installation", "duties", "schema_floors", "users", "data_sources"),
        *("source_levels", "workers", "clerks", "process_beats"),
        *("executor_registrations", "executor_agents", "executor_locks", "source_catalogues"),
        *("notice_channels", "preflight_ticks", "backups"),
    }
)


@dataclass(frozen=True)
class Tolerance:
    """How much growth over the judged time is still flat: the larger of the two."""

    amount: float
    share: float


_TOLERANCES = {
    "memory_mb": Tolerance(8, 0.05),
    "descriptors": Tolerance(4, 0.05),
    "threads": Tolerance(2, 0.05),
    "processes": Tolerance(1, 0.0),
    "files": Tolerance(5, 0.05),
    "mb": Tolerance(8, 0.10),
    "wal_mb": Tolerance(8, 0.10),
    "rows": Tolerance(2, 0.05),
}
# In less than half an hour caches are still filling, and so are the connections that a worker keeps
# (up to 32 to a source): what grows fast is found then, the rest by the long form.
_SHORT_SECONDS = 1800.0
_SHORT_TOLERANCES = {"memory_mb": Tolerance(24, 0.15), "descriptors": Tolerance(24, 0.15)}
# Of each round, the second half against the first: rows, and what is counted in kilobytes.
_PER_ROUND, _KB_PER_ROUND = Tolerance(3, 0.3), Tolerance(30, 0.3)
_LARGE_PER_ROUND = ("ledger.kb", "log.kb")


@dataclass(frozen=True)
class Verdict:
    """One name: its median early and late, by how much it grew, and how much it may.

    For what grows with the work the values are those of a round.
    """

    name: str
    early: float
    late: float
    growth: float
    allowed: float
    per_round: bool

    @property
    def is_flat(self) -> bool:
        """Whether it grew no more than it may."""
        return self.growth <= self.allowed


def judge(samples: Sequence[Sample], warm_up: float) -> list[Verdict]:
    """A verdict on every name.

    :param warm_up: seconds from the first sample on that do not count
    :raises ValueError: when hardly anything is left to judge
    """
    judged = [one for one in samples if one.at >= samples[0].at + warm_up]
    if len(judged) < 8:
        raise ValueError(f"only {len(judged)} samples after the warm-up")
    names = sorted({name for one in judged for name in one.values})
    return [_judged(name, judged) for name in names]


def _judged(name: str, samples: Sequence[Sample]) -> Verdict:
    values = [one.values.get(name, 0.0) for one in samples]
    kind, _, what = name.partition(".")
    if name in _LARGE_PER_ROUND or (kind == "rows" and what not in FLAT_TABLES):
        return _per_round(name, samples, values)
    third = max(1, len(values) // 3)
    early, late = statistics.median(values[:third]), statistics.median(values[-third:])
    seconds = samples[-1].at - samples[0].at
    tolerances = _TOLERANCES | (_SHORT_TOLERANCES if seconds < _SHORT_SECONDS else {})
    tolerance = tolerances["rows" if kind == "rows" else name.rpartition(".")[2]]
    growth = theil_sen([one.at for one in samples], values) * seconds
    return Verdict(name, early, late, growth, _allowed(tolerance, early), per_round=False)


def _per_round(name: str, samples: Sequence[Sample], values: Sequence[float]) -> Verdict:
    half = len(samples) // 2
    early = _each(samples[: half + 1], values[: half + 1])
    late = _each(samples[half:], values[half:])
    tolerance = _KB_PER_ROUND if name in _LARGE_PER_ROUND else _PER_ROUND
    return Verdict(name, early, late, late - early, _allowed(tolerance, early), per_round=True)


def _each(samples: Sequence[Sample], values: Sequence[float]) -> float:
    """By how much it grew for each round."""
    return (values[-1] - values[0]) / max(1, samples[-1].cycles - samples[0].cycles)


def _allowed(tolerance: Tolerance, early: float) -> float:
    return max(tolerance.amount, tolerance.share * early)


def theil_sen(places: Sequence[float], values: Sequence[float]) -> float:
    """The median slope; none where all places are the same."""
    step = -(-len(places) // _MOST_SAMPLES)
    points = list(zip(places, values, strict=True))[::step]
    return statistics.median(_slopes(points) or [0.0])


def _slopes(points: Sequence[tuple[float, float]]) -> list[float]:
    return [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1]


def table(verdicts: Sequence[Verdict]) -> str:
    """Markdown; what grew is marked."""
    return "\n".join(_lines(verdicts))


def _lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| what | first | last | growth | allowed | |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in verdicts:
        name = f"{one.name} a round" if one.per_round else one.name
        mark = "" if one.is_flat else "GREW"
        yield (
            f"| {name} | {one.early:.1f} | {one.late:.1f} | {one.growth:+.2f}"
            f" | {one.allowed:.1f} | {mark} |"
        )
