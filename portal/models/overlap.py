"""重叠策略: what a batch does with documents that earlier batches have dealt with."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import String

from portal.models.base import StatusType


class Overlap(StrEnum):
    """Which of the documents listed are looked at again; the words are Airflow's of a backfill.

    ``missing``: archived ones are skipped, failed ones stay failed unless the source describes
    them anew. ``missing_and_failed``: failed ones are tried again. ``all``: archived ones are
    verified on disk too, and replaced when they are damaged or the source has changed.
    """

    MISSING = "missing"
    MISSING_AND_FAILED = "missing_and_failed"
    ALL = "all"


OVERLAP_LABELS: dict[Overlap, tuple[str, str]] = {
    Overlap.MISSING: ("只补缺失", "missing only"),
    Overlap.MISSING_AND_FAILED: ("补缺失并重试失败", "missing and failed"),
    Overlap.ALL: ("全部重查", "all again"),
}


class OverlapType(StatusType[Overlap]):
    """The policy's word in a column."""

    impl = String(20)
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(Overlap)


def overlap_label(overlap: Overlap, language: str) -> str:
    """The word on screen, in ``zh`` or ``en``."""
    return OVERLAP_LABELS[overlap][0 if language.startswith("zh") else 1]
