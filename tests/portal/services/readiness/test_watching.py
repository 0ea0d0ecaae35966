"""Checks are kept to their time, whatever hangs behind them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from portal.services.readiness.checks import Check, fine
from portal.services.readiness.watching import Family, Readiness


class Gate:
    """A look that hangs until it is let through, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.open = threading.Event()

    def __call__(self) -> Sequence[Check]:
        self.begun += 1
        self.open.wait(20)
        return [fine("queue")]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def codes(readiness: Readiness) -> list[str]:
    return [check.code for check in readiness.look()]


def test_what_hangs_is_said_to_hang_and_comes_back_by_itself(clock: Clock) -> None:
    gate = Gate()
    family = Family(("queue",), gate, fresh_seconds=2, clock=clock)
    readiness = Readiness((family,), patience=0.0)
    assert codes(readiness) == ["CHECK_TIMEOUT"]
    gate.open.set()
    flight = family.begin()
    assert flight is None or flight.landed.wait(20)
    assert codes(readiness) == [""]


def test_one_that_hangs_does_not_hide_what_the_others_found() -> None:
    gate = Gate()
    hanging = Family(("archive",), gate, fresh_seconds=2)
    well = Family(("queue",), lambda: [fine("queue")], fresh_seconds=2)
    try:
        found = {
            check.name: check.code for check in Readiness((hanging, well), patience=0.2).look()
        }
        assert found == {"archive": "CHECK_TIMEOUT", "queue": ""}
    finally:
        gate.open.set()


def test_callers_share_a_look_and_a_look_that_never_ends_costs_few_threads(clock: Clock) -> None:
    gate = Gate()
    readiness = Readiness((Family(("queue",), gate, fresh_seconds=2, clock=clock),), patience=0.0)
    try:
        for _ in range(50):
            assert codes(readiness) == ["CHECK_TIMEOUT"]
        assert gate.begun == 1
        for _ in range(20):  # minutes go by
            clock.now += 11
            codes(readiness)
        assert gate.begun == 3
    finally:
        gate.open.set()


def test_an_answer_is_good_for_a_moment_and_then_asked_for_anew(clock: Clock) -> None:
    asked: list[int] = []

    def look() -> Sequence[Check]:
        asked.append(1)
        return [fine("queue")]

    readiness = Readiness((Family(("queue",), look, fresh_seconds=2, clock=clock),))
    for _ in range(10):
        readiness.look()
    assert len(asked) == 1
    clock.now += 2
    readiness.look()
    assert len(asked) == 2


def test_a_look_that_fails_on_its_own_is_a_failed_check() -> None:
    def look() -> Sequence[Check]:
        raise ZeroDivisionError("of the check itself")

    readiness = Readiness((Family(("queue", "disk"), look, fresh_seconds=2),))
    assert codes(readiness) == ["INTERNAL", "INTERNAL"]
