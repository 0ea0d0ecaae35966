"""The short form of ``make chaos``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.plan import draw
from tests.chaos.run import Size, run, table
from tests.functional.backends import Kinds

SMALL = Size(documents=300, months=6, kills=14)
PARTS = [
    pytest.param(Kinds(), id="files"),
    pytest.param(
        Kinds("postgresql", "redis", "s3"),
        id="servers",
        marks=[pytest.mark.postgresql, pytest.mark.redis, pytest.mark.s3],
    ),
]


@pytest.mark.processes
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kinds", PARTS)
def test_processes_killed_at_seeded_moments_lose_nothing_and_store_nothing_twice(
    tmp_path: Path, kinds: Kinds
) -> None:
    report = run(11, SMALL, tmp_path, kinds)
    assert report.findings == [], table(report)
    assert report.figures["kills"] == SMALL.kills


def test_a_seed_draws_the_same_moments_again_and_every_point_in_a_full_plan() -> None:
    full = draw(7, 200, sealing=True)
    assert full == draw(7, 200, sealing=True)
    assert full != draw(8, 200, sealing=True)
    assert len(full) == len({moment.name for moment in full}) == 200
    assert {"worker.claimed", "agent.sealing", "outer.up"} <= {moment.point for moment in full}
