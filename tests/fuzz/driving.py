"""Feeds a parser so many cases and counts what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.bounds import TooSlow, bounded
from tests.fuzz.parser import Parser

#: Hypothesis remembers every case of a search: a search is ended after so many.
_AT_ONCE = 1000
_STANDING = settings(
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    print_blob=False,
)


@dataclass
class Tally:
    """How it went; ``failure`` is what the smallest failing ``case`` raised."""

    name: str
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    failure: BaseException | None = None
    case: bytes = b""

    @property
    def cases(self) -> int:
        return self.accepted + self.refused


def drive(
    parser: Parser, cases: int, seed: int, before: Callable[[bytes], None] = lambda _: None
) -> Tally:
    """Feed it, up to the first failure; the same seed gives the same cases.

    :param before: sees each case before the parser does, for whoever must know what killed it
    """
    tally, started = Tally(parser.name), time.monotonic()
    last: list[Any] = []

    def fed(case: Any) -> None:
        last[:] = [case]
        before(parser.shown(case))
        with bounded():
            accepted = parser.judge(case)
        if accepted:
            tally.accepted += 1
        else:
            tally.refused += 1

    while tally.cases < cases and tally.failure is None:
        had = tally.cases
        searched = settings(_STANDING, max_examples=min(_AT_ONCE, cases - had))
        search = hypothesis.seed(seed)(searched(given(parser.cases)(fed)))
        seed += 1
        try:
            search()
        except (Exception, TooSlow) as error:
            tally.failure, tally.case = error, parser.shown(last[0])
        if tally.cases == had:
            break  # there are no more cases than these
    tally.seconds = time.monotonic() - started
    return tally
