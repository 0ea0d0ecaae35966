"""SECURITY.md points at what is there."""

from __future__ import annotations

import re

from supply.lock import ROOT

PAGE = (ROOT / "SECURITY.md").read_text()


def test_every_place_it_names_exists() -> None:
    places = set(re.findall(r"\]\(([^)#:]+)\)", PAGE)) | set(
        re.findall(r"`((?:portal|executor|deploy|docs|tests|supply)/[^`]+)`", PAGE)
    )
    assert len(places) > 20
    assert sorted(place for place in places if not (ROOT / place).exists()) == []


def test_the_targets_it_tells_to_run_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"^make ([a-z-]+)", PAGE, re.MULTILINE)
    assert set(commands) == {"audit", "sbom"}
    assert set(commands) <= targets
