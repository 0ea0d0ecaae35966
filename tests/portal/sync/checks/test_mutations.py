"""Whatever the bytes are, the answer is facts or a named problem of the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tests.portal.sync.checks.check_samples as samples
from portal.sync.checks.inspection import Inspection, InspectionJob
from portal.sync.checks.inspector import inspect
from portal.sync.checks.sniff import KNOWN_KINDS, expected_kinds, sniff

GOOD = samples.good_files()
#: Small pages and few pixels, so that a mutation cannot ask for much time.
RULES = replace(samples.RULES, max_pixels=1_000_000, max_pages=20, min_short_side=1)
SUFFIXES = (
    "jpg",
    "png",
    "tif",
    "bmp",
    "gif",
    "webp",
    "pdf",
    "ofd",
    "xml",
    "doc",
    "docx",
    "txt",
    "",
)

bounded = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def inspected(path: Path, content: bytes, suffix: str) -> Inspection:
    path.write_bytes(content)
    return inspect(InspectionJob(1, str(path), suffix, "attachment", None, RULES))


def assert_judged(result: Inspection) -> None:
    if result.error is None:
        assert result.facts is not None
        assert result.facts.kind in KNOWN_KINDS
    elif result.error.code == "INTERNAL":
        pytest.fail(f"{result.error.__cause__!r}")
    else:
        assert result.error.code.startswith("FILE_")
        assert "/" not in str(result.error.params.get("detail", "")).replace("Pages/", "")


@bounded
@given(content=st.binary(max_size=600), suffix=st.sampled_from(SUFFIXES))
def test_random_bytes(tmp_path: Path, content: bytes, suffix: str) -> None:
    assert_judged(inspected(tmp_path / "file", content, suffix))


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good file with bytes overwritten (its header most of all), cut out or doubled."""
    name = draw(st.sampled_from(sorted(GOOD)))
    content = bytearray(GOOD[name])
    for _ in range(draw(st.integers(1, 5))):
        end = draw(st.sampled_from([64, 512, len(content)]))
        start = draw(st.integers(0, max(min(end, len(content)) - 1, 0)))
        length = draw(st.integers(0, 12))
        content[start : start + length] = draw(st.binary(max_size=12))
    return name, bytes(
        content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content
    )


@bounded
@given(mutation=mutations())
def test_mutated_files(tmp_path: Path, mutation: tuple[str, bytes]) -> None:
    name, content = mutation
    assert_judged(inspected(tmp_path / "file", content, Path(name).suffix))


@bounded
@given(head=st.binary(max_size=100))
def test_sniff_names_a_kind(head: bytes) -> None:
    assert sniff(head) in KNOWN_KINDS | {"html", "unknown"}


@given(suffix=st.text())
def test_any_suffix_is_known_or_not(suffix: str) -> None:
    assert expected_kinds(suffix) <= KNOWN_KINDS
