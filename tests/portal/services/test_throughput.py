"""How fast a batch moves, from samples of its counts."""

from __future__ import annotations

import json

import pytest

from portal.models import Batch, Throughput
from portal.services import batches, retrying, throughput
from portal.services.browsing import batch_page
from portal.services.standing import Standing, standing
from portal.services.throughput import KEPT, Pace, pace_of, seconds_left, take_samples
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene, failed, stored


def pace(scene: Scene, batch_id: int) -> Pace:
    with scene.ledger.read() as session:
        return pace_of(session.get_one(Batch, batch_id), now=scene.now)


def left(scene: Scene, batch_id: int) -> float | None:
    with scene.ledger.read() as session:
        batch = batch_page(session, scene.batch(batch_id).batch_no)
        now = standing(batch, now=scene.now, zone=SHANGHAI)
        return seconds_left(batch, pace_of(batch, now=scene.now), now)


def sampled(scene: Scene, seconds: float = 5) -> int:
    scene.advance(seconds)
    return take_samples(scene.ledger, now=scene.now)


def moving(scene: Scene, documents: int = 40, *, done: int = 20) -> int:
    """A batch that has moved so many documents of 100 bytes in the last five seconds."""
    batch_id = scene.listed_batch([make_document(number) for number in range(documents)])
    take_samples(scene.ledger, now=scene.now)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id, limit=done)))
    sampled(scene)
    return batch_id


def test_speeds_are_documents_and_bytes_a_second(scene: Scene) -> None:
    batch_id = moving(scene)
    now = pace(scene, batch_id)
    assert (now.documents, now.bytes, now.minutes) == (4, 400, 1)
    assert sampled(scene) == 1
    assert pace(scene, batch_id).documents == 2
    assert [one.documents for one in pace(scene, batch_id).stretches] == [4, 0]


def test_what_was_long_ago_is_not_the_speed_of_now(scene: Scene) -> None:
    batch_id = moving(scene)
    for _ in range(14):
        sampled(scene)
    later = pace(scene, batch_id)
    assert (later.documents, later.minutes) == (0, 2)
    assert later.steady > 0
    assert left(scene, batch_id) is None  # nothing moves, so nothing can be said


def test_the_rest_is_estimated_only_when_that_means_something(scene: Scene) -> None:
    batch_id = moving(scene)
    assert left(scene, batch_id) == 20 / 4
    with scene.ledger.read() as session:
        batch = batch_page(session, scene.batch(batch_id).batch_no)
        known = pace_of(batch, now=scene.now)
        assert seconds_left(batch, known, Standing(opens_at=scene.now)) is None
        assert seconds_left(batch, Pace(), Standing()) is None
    scene.do(batches.pause, batch_id)
    assert left(scene, batch_id) is None


def test_nothing_is_estimated_before_every_month_is_counted(scene: Scene) -> None:
    batch_id = scene.add_batch(last="2024-02-29")
    january, _february = scene.slices(batch_id)
    source = scene.list_all(scene.add_batch(), [])
    source.documents = [make_document(number) for number in range(4)]
    scene.discovery(source).list_slice(january.id)
    take_samples(scene.ledger, now=scene.now)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id, limit=2)))
    sampled(scene)
    assert pace(scene, batch_id).documents
    assert left(scene, batch_id) is None


def test_only_running_batches_are_sampled_and_not_too_often(scene: Scene) -> None:
    waiting = scene.add_batch(start=False)
    running = scene.listed_batch([make_document(0)])
    assert take_samples(scene.ledger, now=scene.now) == 1
    assert sampled(scene, 1) == 0  # another agent, a second later
    assert sampled(scene, 4) == 1
    assert pace(scene, waiting) == Pace()
    assert len(pace(scene, running).stretches) == 1


def test_samples_are_bounded_and_outlive_the_agent(scene: Scene) -> None:
    batch_id = moving(scene)
    for _ in range(KEPT + 5):
        sampled(scene)
    with scene.ledger.read() as session:
        row = session.get_one(Throughput, batch_id)
    assert len(json.loads(row.samples)) == KEPT
    assert len(row.samples) < 50 * KEPT
    assert pace(scene, batch_id).minutes == 10


def test_while_nobody_looked_there_is_a_gap_and_no_speed(scene: Scene) -> None:
    batch_id = moving(scene)
    sampled(scene, 300)
    assert [one.documents for one in pace(scene, batch_id).stretches] == [4]
    assert pace(scene, batch_id).documents is None
    sampled(scene)
    assert pace(scene, batch_id).documents == 0


def test_a_retry_that_takes_failures_back_is_no_speed_backwards(scene: Scene) -> None:
    batch_id = scene.listed_batch([make_document(number) for number in range(10)])
    take_samples(scene.ledger, now=scene.now)
    broken = [failed(claim, "FILE_CORRUPT", detail="-") for claim in scene.claim(batch_id)]
    scene.settle(batch_id, *broken)
    scene.do(retrying.retry, batch_id)
    sampled(scene)
    assert pace(scene, batch_id).documents == 0


@pytest.mark.parametrize("seconds", [-3600, 1])
def test_a_clock_that_was_put_back_stops_no_sampling(scene: Scene, seconds: float) -> None:
    batch_id = moving(scene)
    assert sampled(scene, seconds) == (seconds < 0)
    sampled(scene, throughput.EVERY_SECONDS)
    assert pace(scene, batch_id).stretches
