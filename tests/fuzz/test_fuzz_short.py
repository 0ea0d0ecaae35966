"""A few hundred cases for each parser, always the same; ``make fuzz`` has a hundred thousand."""

from __future__ import annotations

import traceback

import pytest

from tests.fuzz.bounds import little_memory
from tests.fuzz.driving import drive
from tests.fuzz.parsers import PARSERS

pytestmark = pytest.mark.faults

CASES = 200


@pytest.mark.parametrize("name", PARSERS)
def test_junk_is_understood_or_refused_in_the_parsers_own_words(name: str) -> None:
    parser = PARSERS[name]
    with little_memory():
        tally = drive(parser, CASES, seed=1)
    trace = "".join(traceback.format_exception(tally.failure)) if tally.failure else ""
    assert tally.failure is None, f"{tally.case[:2000]!r}\n{trace}"
    # Junk that is all refused at the door, or all let in, would show nothing.
    assert tally.accepted
    assert tally.refused or not parser.refuses
