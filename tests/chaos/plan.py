"""Which process dies when: drawn from a seed, kept as files, each used once.

A moment is a file in ``waiting``, then ``released``, then ``used``; its name says everything. It
moves by rename, so that of several processes that pass its point at once only one dies by it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# How often each point is drawn, and the highest passage of it at which the process dies.
INNER: Mapping[str, tuple[int, int]] = {
    "worker.claimed": (18, 3),
    "worker.body": (30, 60),
    "worker.placing": (12, 12),  # a folder is renamed, an object is sent
    "worker.published": (18, 3),
    "worker.recording": (16, 3),
    "worker.recorded": (16, 3),
    "worker.removing": (2, 2),
    "worker.counted": (5, 1),
    "worker.page_uncommitted": (8, 1),
    "worker.page_committed": (8, 1),
    "worker.run_taken": (3, 1),
    "worker.run_called": (4, 1),
    "worker.freeing": (6, 1),
    "agent.offered": (4, 3),
    "agent.followed": (4, 4),
    "agent.line": (4, 2),
    "agent.ticked": (4, 4),
    "agent.reserved": (2, 1),
    "agent.delivered": (3, 1),
    "agent.registered": (2, 1),
    "agent.cleaned": (4, 2),
    "agent.condemned": (2, 1),
    "web.accepting": (3, 1),
    "web.accepted": (4, 1),
    "web.answering": (10, 20),
}
SEALING: Mapping[str, tuple[int, int]] = {"agent.sealing": (10, 2)}
OUTER: Mapping[str, tuple[int, int]] = {
    "outer.up": (3, 1),
    "outer.workers": (3, 1),
    "outer.web": (2, 1),
}
# Of a bucket the agent looks at few documents in a step: nearly always a worker that starts anew is
# the first to sweep what its earlier life published and did not record.
RARE_ON_S3 = frozenset({"agent.condemned"})
# These happen only while there is something to list, to trigger or to deliver.
_EARLY = ("counted", "page_", "run_", "accept", "reserved", "delivered", "registered")


@dataclass(frozen=True, slots=True)
class Moment:
    """The ``passage``-th time that a process passes a point, seen from the moment's release."""

    number: int
    point: str
    passage: int

    @property
    def name(self) -> str:
        return f"{self.number:03d}~{self.point}~{self.passage}"

    @classmethod
    def from_name(cls, name: str) -> Moment:
        number, point, passage = name.split("~")
        return cls(int(number), point, int(passage))


def draw(seed: int, kills: int, *, sealing: bool) -> list[Moment]:
    """As many moments, in the order of their release; every point is drawn in proportion."""
    chance = random.Random(seed)
    weights = {**INNER, **OUTER, **(SEALING if sealing else {})}
    points = _in_proportion({point: weight for point, (weight, _) in weights.items()}, kills)
    chance.shuffle(points)
    # What needs a listing, a trigger or an end comes before the last ones of those.
    points.sort(key=lambda point: chance.random() * (0.8 if _is_early(point) else 1.0))
    return [
        Moment(number, point, chance.randint(1, weights[point][1]))
        for number, point in enumerate(points, start=1)
    ]


def _is_early(point: str) -> bool:
    return any(word in point for word in _EARLY)


def _in_proportion(weights: Mapping[str, int], count: int) -> list[str]:
    total = sum(weights.values())
    exact = {point: weight * count / total for point, weight in weights.items()}
    shares = {point: int(share) for point, share in exact.items()}
    by_rest = sorted(exact, key=lambda point: (shares[point] - exact[point], point))
    for point in by_rest[: count - sum(shares.values())]:
        shares[point] += 1
    return [point for point, share in shares.items() for _ in range(share)]


class Plan:
    """The moments of a run, in a folder that all its processes see."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._released = folder / "released"
        self._used = folder / "used"
        self._record = folder / "kills.jsonl"

    @classmethod
    def made(cls, folder: Path, moments: list[Moment]) -> Plan:
        """Write the plan down."""
        plan = cls(folder)
        for place in (folder, plan._released, plan._used):
            place.mkdir(parents=True)
        lines = "\n".join(moment.name for moment in moments)
        (folder / "planned.txt").write_text(f"{lines}\n")
        plan._record.touch()
        return plan

    def release(self, moment: Moment) -> None:
        (self._released / moment.name).touch()

    def released(self) -> list[Moment]:
        """What may happen now and has not yet."""
        return [Moment.from_name(path.name) for path in sorted(self._released.iterdir())]

    def use(self, moment: Moment) -> bool:
        """Take a moment; False when another process was first."""
        try:
            (self._released / moment.name).rename(self._used / moment.name)
        except FileNotFoundError:
            return False
        return True

    def record(self, moment: Moment, **facts: Any) -> None:
        """One line about a kill that is happening now."""
        facts = {"number": moment.number, "point": moment.point, "passage": moment.passage} | facts
        with self._record.open("a") as file:
            file.write(json.dumps(facts) + "\n")

    def kills(self) -> list[dict[str, Any]]:
        """The kills so far, in order."""
        return [json.loads(line) for line in self._record.read_text().splitlines()]
