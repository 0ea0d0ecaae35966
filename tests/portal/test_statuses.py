from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from itertools import product
from pathlib import Path

import pytest

from portal import statuses
from portal.models.counts import Counts, derive_sync_status
from portal.statuses import LABELS, TRANSITIONS, IllegalTransition, SyncStatus, label

PAGE = Path(__file__).parents[2] / "docs" / "states.md"
PAIRS = [(old, new) for kind in TRANSITIONS for old, new in product(kind, kind)]


def test_the_page_is_what_the_table_says() -> None:
    """Regenerate it by ``python -m portal.statuses > docs/states.md``."""
    printed = subprocess.run(
        [sys.executable, "-m", "portal.statuses"],
        capture_output=True, check=True, cwd=PAGE.parents[1],
    )  # fmt: skip
    assert PAGE.read_text(encoding="utf-8") == printed.stdout.decode()


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_the_table_decides(old: StrEnum, new: StrEnum) -> None:
    if new in TRANSITIONS[type(old)][old]:
        statuses.check(old, new)  # type: ignore[arg-type]
    else:
        with pytest.raises(IllegalTransition, match=f"{old} → {new}"):
            statuses.check(old, new)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", TRANSITIONS)
def test_the_table_knows_every_status_and_no_other(kind: type[StrEnum]) -> None:
    assert set(TRANSITIONS[kind]) == set(kind)
    assert {new for targets in TRANSITIONS[kind].values() for new in targets} <= set(kind)


def test_what_is_synced_or_skipped_stays_so() -> None:
    assert TRANSITIONS[statuses.ItemStatus]["synced"] == {}
    assert TRANSITIONS[statuses.ItemStatus]["skipped"] == {}


@pytest.mark.parametrize("kind", LABELS)
def test_every_status_has_its_words(kind: type[StrEnum]) -> None:
    for status in kind:
        assert all(label(status, language) for language in ("zh_Hans_CN", "en"))  # type: ignore[arg-type]
    assert label(SyncStatus.PARTIAL, "zh_Hans_CN") == "部分同步完成"
    assert label(SyncStatus.PARTIAL, "en") == "partly synced"


class Numbers(Counts):
    """Counts without a table."""

    def __init__(self, total: int, synced: int, skipped: int, failed: int) -> None:
        self.total, self.synced, self.skipped, self.failed = total, synced, skipped, failed


@pytest.mark.parametrize(
    ("numbers", "ended", "listing_failed", "expected"),
    [
        ((0, 0, 0, 0), False, False, SyncStatus.PENDING),
        ((0, 0, 0, 0), True, False, SyncStatus.COMPLETE),
        ((0, 0, 0, 0), True, True, SyncStatus.FAILED),
        ((5, 0, 0, 2), False, False, SyncStatus.PENDING),
        ((5, 1, 0, 0), False, False, SyncStatus.PARTIAL),
        ((5, 0, 1, 0), False, False, SyncStatus.PARTIAL),
        ((5, 5, 0, 0), False, False, SyncStatus.PARTIAL),
        ((5, 3, 2, 0), True, False, SyncStatus.COMPLETE),
        ((5, 3, 2, 0), True, True, SyncStatus.PARTIAL),
        ((5, 4, 0, 1), True, False, SyncStatus.PARTIAL),
        ((5, 0, 0, 5), True, False, SyncStatus.FAILED),
        ((5, 0, 0, 0), True, False, SyncStatus.FAILED),
    ],
)
def test_the_sync_status_follows_from_the_counts(
    numbers: tuple[int, int, int, int], ended: bool, listing_failed: bool, expected: SyncStatus
) -> None:
    counts = Numbers(*numbers)
    assert derive_sync_status(counts, ended=ended, listing_failed=listing_failed) is expected
