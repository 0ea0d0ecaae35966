"""One agent at a time does what is done once for all hosts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.models import Duty
from portal.services.duties import LEASE, DutyHolder
from tests.portal.ledger_scene import Scene


class Agents:
    """Agents of several hosts, under one clock."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.seconds = 0.0

    def start(self, holder: str) -> DutyHolder:
        return DutyHolder(self.scene.ledger, "upkeep", holder, clock=lambda: self.seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.scene.advance(seconds)

    def on_duty(self, *agents: DutyHolder) -> list[bool]:
        return [agent.has(self.scene.now) for agent in agents]


@pytest.fixture
def agents(scene: Scene) -> Agents:
    return Agents(scene)


def test_one_has_it_as_long_as_it_lives(agents: Agents) -> None:
    a, b = agents.start("a"), agents.start("b")
    for _ in range(100):
        assert agents.on_duty(a, b) == [True, False]
        agents.advance(1)


def test_another_takes_it_when_its_holder_is_gone_and_the_first_notices(agents: Agents) -> None:
    a, b = agents.start("a"), agents.start("b")
    assert agents.on_duty(a, b) == [True, False]
    agents.advance(LEASE.total_seconds() - 1)
    assert agents.on_duty(b) == [False]
    agents.advance(1)
    assert agents.on_duty(b) == [True]
    assert agents.on_duty(a, b) == [False, True]


@pytest.mark.parametrize("end", [lambda a: a.leave(), lambda _a: None], ids=["stopped", "killed"])
def test_started_anew_it_goes_on_at_once(agents: Agents, end: Callable[[DutyHolder], None]) -> None:
    a = agents.start("a")
    assert agents.on_duty(a) == [True]
    end(a)
    assert agents.on_duty(agents.start("a")) == [True]


def test_one_that_stops_hands_it_over_and_takes_nothing_from_another(agents: Agents) -> None:
    a, b = agents.start("a"), agents.start("b")
    assert agents.on_duty(a, b) == [True, False]
    b.leave()
    agents.advance(1)
    assert agents.on_duty(b) == [False]
    a.leave()
    agents.advance(1)
    assert agents.on_duty(b) == [True]


def test_a_clock_that_was_put_back_keeps_nobody_from_it_for_long(agents: Agents) -> None:
    a, b = agents.start("a"), agents.start("b")
    assert agents.on_duty(a) == [True]
    agents.advance(-3600)
    assert agents.on_duty(b) == [True]
    with agents.scene.ledger.read() as session:
        assert session.get_one(Duty, "upkeep").holder == "b"
