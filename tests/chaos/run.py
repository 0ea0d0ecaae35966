"""``python -m tests.chaos.run``: an installation is killed again and again, and nothing is lost.

Prints a table of the kills by kind, what was found afterwards, and one line of JSON. The database,
queue and archive are files; or on the servers that the environment names, which
``python -m tests.servers python -m tests.chaos.run --database postgresql --queue redis
--archive s3`` starts for it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from portal.services.leases import LEASE_SECONDS
from tests.chaos import aftermath, freezing
from tests.chaos.mortal import sealing_functions
from tests.chaos.plan import RARE_ON_S3, Moment, Plan, draw
from tests.chaos.scene import Scene, opened_scene, plan_in
from tests.functional.backends import ARCHIVES, DATABASES, QUEUES, Kinds

GRACE_SECONDS = 30.0
# So many released moments may wait before the source is slowed down for them.
_FEW = 4
_LAST_CALL_SECONDS = 20.0


@dataclass(frozen=True)
class Size:
    """How large a run is.

    :param patience: seconds without any progress after which it has failed
    """

    documents: int
    months: int
    kills: int
    patience: float = 180.0


@dataclass(frozen=True)
class Report:
    """How a run came out; ``findings`` is empty when everything is as it must be."""

    kills: list[dict[str, Any]]
    figures: dict[str, Any]
    findings: list[str]


def run(seed: int, size: Size, folder: Path, kinds: Kinds) -> Report:
    """Perform a run in an empty folder."""
    moments = [
        moment
        for moment in draw(seed, size.kills, sealing=bool(sealing_functions()))
        if kinds.archive != "s3" or moment.point not in RARE_ON_S3
    ]
    plan = Plan.made(plan_in(folder), moments)
    began = time.time()
    tenant = (f"--documents={size.documents}", f"--months={size.months}", "--mean-size=40000")
    with opened_scene(folder, kinds, *tenant) as scene:
        last_kill_at, ended_at = _Siege(scene, plan, moments, size).lay()
        aftermath.wait_until_swept(scene)
        kills = plan.kills()
        findings = aftermath.findings(scene, kills)
        unused = sorted(Counter(moment.point for moment in plan.released()).items())
        if unused:
            findings.append(f"moments that never came: {unused}")
        after = ended_at - last_kill_at
        if after > LEASE_SECONDS + GRACE_SECONDS:
            findings.append(f"took {after:.0f} s after the last kill")
        statistics = scene.source.statistics()
        figures = {
            "seed": seed,
            "kills": len(kills),
            **_sums(scene),
            "downloads_again": aftermath.again(scene),
            "downloads_explained": aftermath.explained(kills),
            "bytes_sent": statistics["bytesSent"],
            "seconds": round(ended_at - began, 1),
            "seconds_after_last_kill": round(after, 1),
        }
    return Report(kills, figures, findings)


def _sums(scene: Scene) -> dict[str, int]:
    columns = ("total", "synced", "failed", "stored_files", "stored_bytes")
    names = ("documents", "synced", "failed", "files", "bytes")
    sums = scene.query(f"SELECT {', '.join(f'sum({column})' for column in columns)} FROM batches")
    return {name: int(value) for name, value in zip(names, sums[0], strict=True)}


class _Siege:
    """Releases moments as the migration goes on, and the migration as moments are used."""

    def __init__(self, scene: Scene, plan: Plan, moments: list[Moment], size: Size) -> None:
        self._scene = scene
        self._plan = plan
        self._moments = moments
        self._size = size
        self._released = 0
        self._months = 0

    def lay(self) -> tuple[float, float]:
        """Until all batches have ended; when the last kill was, and when that end."""
        last_kill_at = changed_at = time.time()
        ended_at = 0.0
        seen: tuple[int, ...] = ()
        while True:
            self._scene.keep_up()
            done, running = self._progress()
            kills = self._plan.kills()
            if kills:
                last_kill_at = max(kill["at"] for kill in kills)
            if self._months == self._size.months and not running:
                ended_at = ended_at or time.time()
                # The agent has results to deliver still, and web somebody to answer.
                if not self._plan.released() or time.time() > ended_at + _LAST_CALL_SECONDS:
                    return last_kill_at, ended_at
            self._pace(done, running, len(kills))
            now = (done, running, len(kills), self._months)
            if now != seen:
                seen, changed_at = now, time.time()
            elif time.time() > changed_at + self._size.patience:
                raise AssertionError(f"nothing has moved: {now}, {self._plan.released()}")
            time.sleep(0.1)

    def _progress(self) -> tuple[int, int]:
        """Documents decided, and batches that have not ended."""
        done, running = self._scene.query(
            "SELECT coalesce(sum(synced + skipped + failed), 0),"
            " coalesce(sum(CASE WHEN run_status <> 'ended' THEN 1 ELSE 0 END), 0) FROM batches"
        )[0]
        return int(done), int(running)

    def _pace(self, done: int, running: int, kills: int) -> None:
        # Two batches at a time; the last moments are released well before the last document.
        fraction = done / self._size.documents
        if running < 2 and self._months < self._size.months:
            self._scene.start_month(self._months)
            self._months += 1
        due = min(len(self._moments), int(fraction * 1.15 * len(self._moments)) + _FEW)
        while self._released < due:
            self._plan.release(self._moments[self._released])
            self._released += 1
        waiting = self._plan.released()
        for moment in waiting:
            if moment.point.startswith("outer.") and self._plan.use(moment):
                at = time.time()
                self._plan.record(moment, at=at, pid=self._scene.kill(moment.point))
        # At the end the source waits for every single one.
        is_end = self._released == len(self._moments)
        behind = 2 * len(waiting) if is_end else len(waiting) - _FEW
        self._scene.set_latency(0.05 if behind <= 0 else min(2.0, 0.2 * behind))


def table(report: Report) -> str:
    """The kills by kind, and the figures."""
    counts = Counter(kill["point"] for kill in report.kills)
    lines = [f"  {point:<26}{count:>5}" for point, count in sorted(counts.items())]
    lines += [f"  {'sum':<26}{sum(counts.values()):>5}", ""]
    lines += [f"  {name:<26}{value:>14}" for name, value in report.figures.items()]
    lines += [f"  WRONG: {finding}" for finding in report.findings]
    return "\n".join(lines)


def main() -> int:
    """The full form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--months", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where everything is kept; else thrown away")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--queue", choices=QUEUES, default="sqlite")
    parser.add_argument("--archive", choices=ARCHIVES, default="local")
    given = parser.parse_args()
    kinds = Kinds(given.database, given.queue, given.archive)
    size = Size(given.documents, given.months, given.kills)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = given.folder or Path(temporary)
        try:
            report = run(given.seed, size, folder, kinds)
        except pytest.skip.Exception as missing:
            parser.error(f"{missing}; python -m tests.servers starts what there is")
        for kill in report.kills:
            print(json.dumps(kill))
        print(table(report), flush=True)
        frozen, wrong = freezing.freeze(folder / "frozen", kinds)
    findings = report.findings + wrong
    print("\n".join(f"  {name:<26}{value:>14}" for name, value in frozen.items()))
    print("\n".join(f"  WRONG: {finding}" for finding in wrong), end="")
    by_point = dict(sorted(Counter(kill["point"] for kill in report.kills).items()))
    print(json.dumps({**report.figures, **frozen, "by_point": by_point, "findings": findings}))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
