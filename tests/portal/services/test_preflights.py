"""Preflights in the ledger: what counts, what blocks a new batch, who overrode it, who ticked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.errors import NotAllowed
from portal.models import (
    AuditEvent,
    Batch,
    Chore,
    DataSource,
    Preflight,
    PreflightReport,
    PreflightTick,
)
from portal.services import batches, chores, preflight_gate, preflight_ticks, preflights, sources
from portal.services.preflight_gate import PreflightFailed, Standing
from portal.services.source_check import Finding, State
from portal.statuses import ChoreStatus
from tests.portal.ledger_scene import SHANGHAI, Scene

DAYS = (date(2024, 1, 1), date(2024, 3, 31))


def finding(state: State = "ok", code: str | None = None, item: str = "reach") -> Finding:
    return Finding(item, state, "原因", "reason", code=code)


def begin(scene: Scene, *hosts: str) -> int:
    with scene.ledger.write() as session:
        source = session.get_one(DataSource, scene.source_id)
        return preflights.begin(session, source, days=DAYS, hosts=hosts, by="张", now=scene.now).id


def record(scene: Scene, preflight_id: int, host: str, *findings: Finding) -> None:
    with scene.ledger.write() as session:
        preflights.record(session, preflight_id, host, findings, by="张", now=scene.now)


def checked(scene: Scene, **found: Finding) -> int:
    """A whole preflight of these hosts and the installation."""
    preflight_id = begin(scene, *found)
    for host, one in {"": finding(), **found}.items():
        record(scene, preflight_id, host, one)
    return preflight_id


def alive(scene: Scene, *hosts: str) -> None:
    with scene.ledger.write() as session:
        for host in hosts:
            chores.beat(session, f"{host}.clerk", host=host, now=scene.now)


def tick_all(scene: Scene) -> None:
    with scene.ledger.write() as session:
        source = session.get_one(DataSource, scene.source_id)
        for item in ("version", "licence"):
            preflight_ticks.tick(session, source, item, remark="v8.0", by="李", now=scene.now)


def standing(scene: Scene) -> Standing:
    with scene.ledger.read() as session:
        return preflight_gate.standing(session, scene.source_id, scene.now)


def events(scene: Scene, action: str) -> Sequence[AuditEvent]:
    with scene.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
        return session.scalars(query).all()


def create(scene: Scene, **words: Any) -> str:
    with scene.ledger.write() as session:
        batch = batches.create(session, scene.scope(), by="王", now=scene.now, zone=SHANGHAI)
        preflight_gate.require(
            session, scene.source_id, by="王", now=scene.now, batch_id=batch.id, **words
        )
        return batch.batch_no


def count(scene: Scene, model: type[Any]) -> int:
    with scene.ledger.read() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_source_that_was_never_checked_blocks_nothing(scene: Scene) -> None:
    assert standing(scene).state == "missing"
    assert create(scene)


def test_all_is_well_only_with_the_ticks(scene: Scene) -> None:
    checked(scene, h1=finding(), h2=finding())
    assert standing(scene).state == "warning"
    tick_all(scene)
    now = standing(scene)
    assert (now.state, [one.host for one in now.hosts]) == ("ok", ["", "h1", "h2"])
    assert [one.state for one in now.hosts] == ["ok", "ok", "ok"]


def test_a_failing_item_of_one_host_blocks_and_the_batch_is_not_made(scene: Scene) -> None:
    checked(scene, h1=finding(), h2=finding("failed", "SRC_TLS"))
    now = standing(scene)
    assert now.state == "failed"
    assert [(host, one.code) for host, one in now.blocking] == [("h2", "SRC_TLS")]
    with pytest.raises(PreflightFailed, match="原因"):
        create(scene)
    assert count(scene, Batch) == 0
    assert [event.detail for event in events(scene, "preflight.fail")] == [
        {"host": "h2", "codes": ["SRC_TLS"]}
    ]


def test_an_admins_reason_lets_it_pass_and_is_kept(scene: Scene) -> None:
    checked(scene, h1=finding("failed", "SRC_TLS"))
    with pytest.raises(NotAllowed, match="管理员"):
        create(scene, override_reason="急", may_override=False)
    with pytest.raises(PreflightFailed):
        create(scene, override_reason="  ", may_override=True)
    with pytest.raises(PreflightFailed, match="255"):
        create(scene, override_reason="急" * 256, may_override=True)
    assert count(scene, Batch) == 0
    assert create(scene, override_reason="证书今晚更换", may_override=True)
    (event,) = events(scene, "preflight.override")
    assert (event.actor, event.reason) == ("王", "证书今晚更换")
    assert event.batch_id is not None
    assert event.detail == {"source": "影像系统", "codes": ["SRC_TLS"]}


def test_a_reason_that_nothing_needs_is_no_override(scene: Scene) -> None:
    checked(scene, h1=finding())
    assert create(scene, override_reason="?", may_override=True)
    assert events(scene, "preflight.override") == []


@pytest.mark.parametrize("hours", [23, 25])
def test_after_a_day_a_failure_only_warns(scene: Scene, hours: int) -> None:
    checked(scene, h1=finding("failed", "SRC_TLS"))
    scene.now += timedelta(hours=hours)
    assert standing(scene).state == ("failed" if hours < 24 else "old")
    if hours > 24:
        assert create(scene)


def test_a_source_that_was_changed_since_is_to_be_checked_again(scene: Scene) -> None:
    checked(scene, h1=finding("failed", "SRC_TLS"))
    scene.advance(1)
    with scene.ledger.write() as session:
        session.get_one(DataSource, scene.source_id).changed_at = scene.now
    assert standing(scene).state == "old"
    scene.advance(1)
    checked(scene, h1=finding())
    assert standing(scene).state == "warning"


def test_a_check_of_one_host_does_not_hide_the_failure_of_another_that_lives(scene: Scene) -> None:
    checked(scene, h1=finding(), h2=finding("failed", "SRC_TLS"))
    alive(scene, "h1", "h2")
    scene.advance(5)
    checked(scene, h1=finding())
    assert standing(scene).state == "failed"
    scene.advance(60)  # h2 is gone, and is not asked any more
    alive(scene, "h1")
    assert [one.host for one in standing(scene).hosts] == ["", "h1"]
    assert not standing(scene).is_blocked


def test_a_host_that_was_never_asked_is_named(scene: Scene) -> None:
    checked(scene, h1=finding())
    tick_all(scene)
    alive(scene, "h1", "h3")
    now = standing(scene)
    assert (now.state, now.unchecked) == ("warning", ["h3"])


def test_while_a_check_runs_the_one_before_counts(scene: Scene) -> None:
    checked(scene, h1=finding("failed", "SRC_TLS"))
    scene.advance(1)
    again = begin(scene, "h1")
    now = standing(scene)
    assert (now.state, [one.host for one in now.pending]) == ("failed", ["", "h1"])
    record(scene, again, "", finding())
    record(scene, again, "h1", finding())
    assert (standing(scene).state, standing(scene).pending) == ("warning", [])


def test_what_a_host_found_is_kept_once(scene: Scene) -> None:
    preflight_id = begin(scene, "h1")
    record(scene, preflight_id, "h1", finding("failed", "SRC_TLS"))
    record(scene, preflight_id, "h1", finding())
    assert len(standing(scene).blocking) == 1
    assert len(events(scene, "preflight.fail")) == 1


def asked(scene: Scene, *hosts: str) -> dict[str, int]:
    """Asked of clerks; the chore of each host."""
    with scene.ledger.write() as session:
        source = session.get_one(DataSource, scene.source_id)
        preflight = preflights.begin(
            session, source, days=DAYS, hosts=hosts, by="张", now=scene.now
        )
        preflights.have_done(session, preflight, by="张", now=scene.now)
        return {one.host: one.chore_id or 0 for one in preflight.reports}


def test_a_chore_that_failed_is_a_failure_with_its_reason(scene: Scene) -> None:
    chore_id = asked(scene, "h1")["h1"]
    with scene.ledger.write() as session:
        chore = session.get_one(Chore, chore_id)
        chore.status, chore.error_code = ChoreStatus.FAILED, "CHORE_LOST"
        chore.error_params = {"times": 3}
    (blocking,) = standing(scene).blocking
    assert blocking[1].code == "CHORE_LOST"
    assert "3" in blocking[1].zh


def test_a_host_that_never_begins_is_given_up_without_blocking(scene: Scene) -> None:
    asked(scene, "h1")
    assert [one.host for one in standing(scene).pending] == ["", "h1"]
    scene.advance(301)
    now = standing(scene)
    assert now.pending == []
    (seen,) = [one for one in now.hosts if one.host == "h1"]
    assert (seen.state, seen.findings[0].code) == ("warning", "PREFLIGHT_NO_ANSWER")
    assert not now.is_blocked


def test_ticks_are_kept_with_who_when_and_remark_and_can_be_withdrawn(scene: Scene) -> None:
    tick_all(scene)
    with scene.ledger.write() as session:
        source = session.get_one(DataSource, scene.source_id)
        with pytest.raises(NotAllowed, match="已经确认"):
            preflight_ticks.tick(session, source, "version", remark="x", by="b", now=scene.now)
        preflight_ticks.withdraw(session, source, "version", why="升级了", by="赵", now=scene.now)
        with pytest.raises(NotAllowed, match="没有确认"):
            preflight_ticks.withdraw(session, source, "version", why="", by="b", now=scene.now)
    with scene.ledger.read() as session:
        by_hand = preflight_ticks.ticked(session, scene.source_id)
        assert by_hand["version"] is None
        licence = by_hand["licence"]
        assert licence is not None
        assert (licence.ticked_by, licence.ticked_at, licence.remark) == ("李", scene.now, "v8.0")
        (gone,) = preflight_ticks.withdrawn(session, scene.source_id)
        assert (gone.ticked_by, gone.withdrawn_by, gone.withdrawn_why) == ("李", "赵", "升级了")
    assert [event.reason for event in events(scene, "preflight.tick")] == ["v8.0", "v8.0"]
    assert [event.detail for event in events(scene, "preflight.withdraw")] == [{"item": "version"}]


@pytest.mark.parametrize(
    ("item", "remark"), [("version", " "), ("version", "x" * 2001), ("nonsense", "x")]
)
def test_a_tick_needs_an_item_and_a_remark(scene: Scene, item: str, remark: str) -> None:
    with scene.ledger.write() as session:
        source = session.get_one(DataSource, scene.source_id)
        with pytest.raises(NotAllowed):
            preflight_ticks.tick(session, source, item, remark=remark, by="b", now=scene.now)


def test_a_source_that_was_only_checked_can_be_deleted(scene: Scene) -> None:
    checked(scene, h1=finding())
    tick_all(scene)
    with scene.ledger.write() as session:
        sources.remove(session, sources.get(session, scene.source_id), by="b", now=scene.now)
    assert [count(scene, one) for one in (Preflight, PreflightReport, PreflightTick)] == [0, 0, 0]
