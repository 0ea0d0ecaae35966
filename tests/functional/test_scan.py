"""The scan predicts what a migration then fails for, and moves nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.functional.installation import DemoSource, Installation

pytestmark = pytest.mark.processes
StartSource = Callable[..., DemoSource]


def test_what_was_predicted_comes_true(site: Installation, start_source: StartSource) -> None:
    source = start_source("--documents=24", "--months=1", "--mean-size=40000")
    site.add_source(source)
    batch = site.create_batch("2024-01-01", "2024-01-31")
    scan = site.json("batch", "scan", batch, "--sample", "1000")
    assert (scan["documents"], scan["archived"]) == (24, 0)
    assert scan["sampled"] > 40
    assert not any(site.archive.rglob("*.*"))
    foreseen = {one["code"]: one["predicted"] + one["sampled"] for one in scan["causes"]}
    assert len(foreseen) == 6
    assert {one["actual"] for one in scan["causes"]} == {0}
    for one in scan["causes"]:
        assert one["action"]
        assert one["examples"] or one["code"] == "META_NO_IMAGE_NO"
    run = site.run("batch", "run", batch)
    assert run.code == 0
    site.start("worker")
    site.start("agent")
    site.wait_until_ended(batch)
    after = site.json("batch", "scan", batch, "--sample", "0")
    assert (after["documents"], after["archived"]) == (24, source.healthy())
    assert {one["code"]: one["actual"] for one in after["causes"]} == foreseen


def test_the_same_seed_chooses_the_same_files(
    site: Installation, start_source: StartSource
) -> None:
    site.add_source(start_source("--documents=60", "--months=1", "--mean-size=40000"))
    batch = site.create_batch("2024-01-01", "2024-01-31")
    first = site.json("batch", "scan", batch, "--sample", "30", "--seed", "7")
    again = site.json("batch", "scan", batch, "--sample", "30", "--seed", "7")
    assert first["sampled"] == again["sampled"] == 30
    assert first["causes"] == again["causes"]
