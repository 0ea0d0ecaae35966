"""What is fuzzed: a parser, what it is fed, and what it may make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy

ACCEPTED, REFUSED = True, False


def _shown(case: Any) -> bytes:
    return case if isinstance(case, bytes) else repr(case).encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Parser:
    """A parser of the product.

    :ivar cases: what it is fed: valid seeds that were bent, and pure junk
    :ivar judge: feeds it a case; returns :data:`ACCEPTED` when a value came that keeps the
        parser's promises, :data:`REFUSED` when it said so with an error of its own. Whatever else
        it raises is a finding
    :ivar refuses: whether there is anything that it refuses; some understand everything
    :ivar shown: a case as bytes, to be saved
    """

    name: str
    cases: SearchStrategy[Any]
    judge: Callable[[Any], bool]
    refuses: bool = True
    shown: Callable[[Any], bytes] = _shown
