"""The agent's part: sealing every few seconds, an anchor a minute, verifications offered again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from portal.ledger import Ledger
from portal.services import audit_checks
from portal.services.anchor_file import NAME, kept_anchors
from portal.services.sealing import MOST_EVENTS
from portal.tasks.audit_keeping import AuditKeeping
from portal.tasks.queue import WorkQueue
from tests.portal.trail_scene import KEY, Trail


class Agent:
    """Its clock moves when told to; what the wall shows does not matter to it."""

    def __init__(self, ledger: Ledger, home: Path) -> None:
        self.trail = Trail(ledger)
        self.home = home
        self.seconds = 1000.0
        self.queue = WorkQueue(f"sqlite:///{home / 'queue.db'}")
        self.keeping = AuditKeeping(ledger, self.queue, KEY, home=home, clock=lambda: self.seconds)

    def step(self, seconds: float = 1.0) -> None:
        self.seconds += seconds
        self.keeping.step(self.trail.now)

    def kept(self) -> list[str]:
        return [str(anchor) for anchor in kept_anchors(self.home / NAME)]


@pytest.fixture
def agent(ledger: Ledger, tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(ledger, tmp_path)
    yield agent
    agent.queue.close()


def test_no_event_waits_ten_seconds(agent: Agent) -> None:
    waited = 0
    for _ in range(60):
        if not agent.trail.unsealed():
            agent.trail.write()
            waited = 0
        agent.step()
        waited += 1
        assert waited < 9
    assert agent.trail.faults() == []


def test_a_wall_clock_that_is_set_back_or_ahead_delays_nothing(agent: Agent) -> None:
    agent.step()
    for days in (-400, 800):
        agent.trail.later(days * 86_400)
        agent.trail.write()
        for _ in range(6):
            agent.step()
        assert agent.trail.unsealed() == 0


def test_what_has_piled_up_is_sealed_without_waiting(agent: Agent) -> None:
    agent.trail.write(MOST_EVENTS * 5)
    agent.step()
    assert agent.trail.seals()[-1].total == MOST_EVENTS * 4
    agent.step()
    assert agent.trail.unsealed() == 0


def test_anchors_are_kept_beside_the_ledger(agent: Agent) -> None:
    agent.trail.write()
    agent.step()
    first = str(agent.trail.anchor())
    assert agent.kept() == [first]
    for _ in range(20):
        agent.trail.write()
        agent.step(10)
    assert 3 <= len(agent.kept()) <= 5
    agent.trail.write()
    agent.keeping.close(agent.trail.now)
    assert agent.kept()[-1] == str(agent.trail.anchor())
    assert agent.trail.faults(*kept_anchors(agent.home / NAME)) == []
    kept = len(agent.kept())
    agent.keeping.close(agent.trail.now)
    assert len(agent.kept()) == kept
    assert (agent.home / NAME).stat().st_mode & 0o777 == 0o640


def test_a_verification_nobody_does_is_offered_again(agent: Agent) -> None:
    agent.step()
    assert agent.queue.waiting() == 0
    ledger = agent.trail.ledger
    with ledger.write() as session:
        check_id = audit_checks.ask(session, by="x", now=agent.trail.now).id
    agent.step()
    agent.step()
    assert agent.queue.waiting() == 1  # said once, until somebody takes it
    with ledger.write() as session:
        assert audit_checks.claim(session, check_id, owner="w1", now=agent.trail.now)
        assert audit_checks.due(session, now=agent.trail.now) is None
        later = agent.trail.now + timedelta(minutes=1)
        assert audit_checks.due(session, now=later) == check_id
