"""The few dozen base files a tenant's files are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from portal.demo.media import BaseFile
from portal.demo.media_invoice import xml_file
from portal.demo.media_packages import ofd_file, pdf_file
from portal.demo.media_pictures import jpeg_file, png_file, tiff_file

SMALLEST = 24_000
BIGGEST = 2_000_000

# How sizes spread: the size as a multiple of the mean, and how many in a hundred files have it.
_SPREAD = (
    (0.15, 20),
    (0.3, 22),
    (0.55, 20),
    (0.9, 16),
    (1.5, 12),
    (3.0, 7),
    (6.0, 2),
    (11.5, 1),
)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The base files of one suffix and how often each is taken."""

    files: tuple[BaseFile, ...]
    weights: tuple[int, ...]


@lru_cache(maxsize=4)
def base_files(mean_size: int) -> dict[str, Shelf]:
    """The shelves by suffix, for a mean file size in bytes; takes under a second, once."""
    scale = _scale(mean_size)
    sizes = [(_clamped(factor * scale), weight) for factor, weight in _SPREAD]
    return {
        "jpg": _shelf(sizes, lambda target, _: jpeg_file(target)),
        "png": _shelf(sizes[1:6:2], lambda target, _: png_file(target)),
        "tif": _shelf(sizes[2:6], lambda target, turn: tiff_file(target, 2 + turn % 2)),
        "pdf": _shelf(sizes, lambda target, turn: pdf_file(target, 1 + turn % 3)),
        "ofd": _shelf(sizes, lambda target, _: ofd_file(target)),
        "xml": _shelf(sizes[:2], lambda target, _: xml_file(target)),
    }


def _scale(mean_size: int) -> float:
    """What the factors must be multiplied by so that the mean holds within the limits of size."""
    low, high = 0.0, 100.0 * mean_size
    for _ in range(60):
        middle = (low + high) / 2
        total = sum(_clamped(factor * middle) * weight for factor, weight in _SPREAD)
        if total < mean_size * sum(weight for _, weight in _SPREAD):
            low = middle
        else:
            high = middle
    return high


def _clamped(size: float) -> int:
    return round(min(BIGGEST, max(SMALLEST, size)))


def _shelf(sizes: Sequence[tuple[int, int]], make: Callable[[int, int], BaseFile]) -> Shelf:
    return Shelf(
        files=tuple(make(target, turn) for turn, (target, _) in enumerate(sizes)),
        weights=tuple(weight for _, weight in sizes),
    )
