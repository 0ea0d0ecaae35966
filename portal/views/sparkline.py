"""A line of recent speeds, drawn by the server: a path for an SVG of a fixed shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.services.throughput import Stretch

WIDTH, HEIGHT = 240, 40


@dataclass(frozen=True, slots=True)
class Sparkline:
    """``line`` and the ``area`` below it as SVG paths, and the highest speed they show."""

    line: str
    area: str
    peak: float


def sparkline(stretches: Sequence[Stretch], name: str, *, minutes: int) -> Sparkline:
    """Speeds over the last ``minutes``, now at the right edge; gaps in the samples stay open.

    :param name: which speed of the stretches, ``documents`` or ``bytes``
    """
    peak = max((getattr(one, name) for one in stretches), default=0.0)
    scale = (HEIGHT - 2) / peak if peak else 0.0
    line: list[str] = []
    area: list[str] = []
    reached: float | None = None
    for one in stretches:
        left = _across(one.seconds_ago + one.seconds, minutes)
        right = _across(one.seconds_ago, minutes)
        top = f"{HEIGHT - 1 - getattr(one, name) * scale:.1f}"
        follows = reached is not None and abs(left - reached) < 1
        line.append(f"{'L' if follows else 'M'}{left:.1f} {top}L{right:.1f} {top}")
        area.append(f"M{left:.1f} {HEIGHT}V{top}H{right:.1f}V{HEIGHT}Z")
        reached = right
    return Sparkline("".join(line), "".join(area), peak)


def _across(seconds_ago: float, minutes: int) -> float:
    return max(0.0, WIDTH * (1 - seconds_ago / (minutes * 60)))
