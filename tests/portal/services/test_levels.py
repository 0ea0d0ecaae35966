"""The level of a source as several workers share it through the ledger."""

from __future__ import annotations

from portal.models import DataSource
from portal.services import levels
from portal.sync.throttle.level import Reason, Report, Share
from tests.portal.ledger_scene import Scene


def exchange(scene: Scene, worker: str, **seen: float) -> Share:
    with scene.ledger.write() as session:
        report = Report(1.0, **seen)  # type: ignore[arg-type]
        return levels.exchange(session, scene.source_id, report, by=worker, now=scene.now)


def cap(scene: Scene, **caps: float) -> None:
    with scene.ledger.write() as session:
        source = session.get_one(DataSource, scene.source_id)
        for name, value in caps.items():
            setattr(source, name, value)


def test_what_one_worker_is_told_slows_all(scene: Scene) -> None:
    exchange(scene, "w1")
    alone = exchange(scene, "w1", answered=20, throttled=3, retry_after=2)
    assert alone.rate is not None
    assert alone.pause == 2.0
    scene.advance(2)
    other = exchange(scene, "w2")
    assert other.rate == alone.rate / 2
    assert other.pause == 1.0  # until the first one has heard of the second
    assert exchange(scene, "w1").rate == alone.rate / 2
    with scene.ledger.read() as session:
        level = levels.level_of(session.get_one(DataSource, scene.source_id))
    assert (level.rate, level.reason) == (alone.rate, Reason.THROTTLED)


def test_who_left_takes_no_share(scene: Scene) -> None:
    cap(scene, rate_cap=8.0, concurrency_cap=5, bandwidth_cap=1000)
    assert exchange(scene, "w1") == Share(window=5, rate=8.0, bandwidth=1000.0)
    assert exchange(scene, "w2") == Share(window=2, rate=4.0, bandwidth=500.0, pause=1.0)
    assert exchange(scene, "w1") == Share(window=3, rate=4.0, bandwidth=500.0)
    scene.advance(6)
    assert exchange(scene, "w2") == Share(window=5, rate=8.0, bandwidth=1000.0)


def test_sources_do_not_slow_each_other(scene: Scene) -> None:
    exchange(scene, "w1", answered=20, throttled=3)
    scene.source_id = scene.add_source("另一个")
    assert exchange(scene, "w1").rate is None
