"""Whether a download is worth its place: one that drips would hold it for hours.

A download is judged over spans that begin with its first byte, so that a small file on a slow
line is never caught. Where the whole line is slow, as with many files on it or under a cap of our
own, nobody is to blame who gets a fair part of it. One that gets nothing at all is not judged
here: libcurl sees a stall by itself, and knows a pause of ours from one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: Bytes a second below which a download is too slow.
LEAST_SPEED = 1024
#: Bytes a second of everything together below which the line is no excuse.
_LEAST_LINE = 4 * LEAST_SPEED
#: A fair part of the line is so many times less than an equal one, at worst.
_UNFAIRNESS = 4
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Slow:
    """What a download got that is too slow: ``received`` bytes in ``seconds``."""

    key: int
    received: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float
    received: int
    line: int


class SpeedWatch:
    """Watches the downloads of one downloader.

    :param span: seconds over which speeds are averaged
    :param clock: monotonic seconds
    """

    def __init__(self, span: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._span = span
        self._clock = clock
        self._look_at = 0.0
        self._line = 0
        self._seen: dict[int, int] = {}
        self._marks: dict[int, _Mark] = {}

    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock() >= self._look_at

    def look(self, received: Mapping[int, int]) -> list[Slow]:
        """Those that are too slow, of all downloads under way with the bytes each has received."""
        now = self._clock()
        self._look_at = now + _LOOK_SECONDS
        self._line += sum(count - self._seen.get(key, 0) for key, count in received.items())
        self._seen = dict(received)
        marks, slow = dict[int, _Mark](), list[Slow]()
        for key, count in received.items():
            mark = self._marks.get(key)
            if mark is not None and now - mark.at < self._span:
                marks[key] = mark
            elif mark is not None and self._is_too_slow(mark, count, now, len(received)):
                slow.append(Slow(key, count - mark.received, now - mark.at))
            elif count:
                marks[key] = _Mark(now, count, self._line)
        self._marks = marks
        return slow

    def _is_too_slow(self, mark: _Mark, count: int, now: float, sharing: int) -> bool:
        seconds = now - mark.at
        speed, line = (count - mark.received) / seconds, (self._line - mark.line) / seconds
        if speed >= LEAST_SPEED or not speed:
            return False
        return line < _LEAST_LINE or speed < line / sharing / _UNFAIRNESS
