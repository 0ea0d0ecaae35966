from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from portal.errors import NotAllowed, NotFound
from portal.models import Batch, Priority
from portal.services import batch_lists, batches, retrying
from portal.services.batches import BatchScope
from portal.statuses import ListingStatus, RunStatus
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY, SHANGHAI, Scene, failed


def waiting(scene: Scene) -> int:
    return scene.add_batch(start=False)


def running(scene: Scene) -> int:
    return scene.listed_batch([make_document(0)])


def paused(scene: Scene) -> int:
    batch_id = running(scene)
    scene.do(batches.pause, batch_id)
    return batch_id


def paused_before_its_start(scene: Scene) -> int:
    batch_id = waiting(scene)
    scene.do(batches.pause, batch_id)
    return batch_id


def ended_with_failures(scene: Scene) -> int:
    batch_id = running(scene)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, failed(claim, "FILE_CORRUPT", detail="-"))
    return batch_id


def ended(scene: Scene) -> int:
    return scene.listed_batch([])


def cancelled(scene: Scene) -> int:
    batch_id = running(scene)
    scene.do(batches.cancel, batch_id)
    return batch_id


STATES = {
    one.__name__: one
    for one in (
        waiting, running, paused, paused_before_its_start, ended_with_failures, ended, cancelled,
    )
}  # fmt: skip
VERBS: dict[str, Callable[..., Any]] = {
    "start": batches.start,
    "pause": batches.pause,
    "resume": batches.resume,
    "cancel": batches.cancel,
    "delete": batches.delete,
    "retry": retrying.retry,
}
W, R, E = RunStatus.WAITING, RunStatus.RUNNING, RunStatus.ENDED
REFUSED = None
#: What a verb makes of a batch in a state; a refusal changes nothing.
OUTCOMES: dict[str, dict[str, RunStatus | None]] = {
    "waiting": {
        "start": R, "pause": W, "resume": REFUSED, "cancel": E, "delete": W, "retry": REFUSED,
    },
    "running": {
        "start": R, "pause": W, "resume": REFUSED, "cancel": E, "delete": REFUSED,
        "retry": REFUSED,
    },
    "paused": {
        "start": REFUSED, "pause": REFUSED, "resume": R, "cancel": E, "delete": W,
        "retry": REFUSED,
    },
    "paused_before_its_start": {
        "start": REFUSED, "pause": REFUSED, "resume": R, "cancel": E, "delete": W,
        "retry": REFUSED,
    },
    "ended_with_failures": {
        "start": REFUSED, "pause": REFUSED, "resume": REFUSED, "cancel": REFUSED, "delete": E,
        "retry": R,
    },
    "ended": {
        "start": REFUSED, "pause": REFUSED, "resume": REFUSED, "cancel": REFUSED, "delete": E,
        "retry": REFUSED,
    },
    "cancelled": {
        "start": REFUSED, "pause": REFUSED, "resume": REFUSED, "cancel": REFUSED, "delete": E,
        "retry": REFUSED,
    },
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", STATES)
def test_every_verb_in_every_state(scene: Scene, state: str, verb: str) -> None:
    batch_id = STATES[state](scene)
    before = scene.batch(batch_id)
    events = len(scene.events(batch_id))
    expected = OUTCOMES[state][verb]
    if expected is REFUSED:
        with pytest.raises(NotAllowed, match=before.batch_no):
            scene.do(VERBS[verb], batch_id)
        assert len(scene.events(batch_id)) == events
        assert scene.batch(batch_id).run_status is before.run_status
        return
    scene.do(VERBS[verb], batch_id)
    after = scene.batch(batch_id)
    assert after.run_status is expected
    new = [event for event in scene.events(batch_id)[events:] if event.action.startswith("batch.")]
    if verb == "start" and state == "running":
        assert new == []  # starting what runs is fine and changes nothing
        return
    assert {event.actor for event in new} == {BY}
    if after.run_status is not before.run_status:
        assert [(event.old, event.new) for event in new] == [(before.run_status, expected)]
    else:
        assert [event.action for event in new] == [f"batch.{verb}"]


def test_creating_writes_who_and_the_number(scene: Scene) -> None:
    batch_id = scene.add_batch("2024-01-15", "2024-03-15", start=False)
    batch = scene.batch(batch_id)
    assert (batch.created_by, batch.created_at, batch.run_no) == (BY, scene.now, 0)
    parts = scene.slices(batch_id)
    assert [part.month for part in parts] == ["2024-01", "2024-02", "2024-03"]
    assert {part.listing_status for part in parts} == {ListingStatus.WAITING}
    (event,) = scene.events(batch_id)
    assert (event.action, event.actor, event.new) == ("batch.create", BY, batch.batch_no)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2024-02-01", "2024-01-31"),
        ("1960-01-01", "2024-01-31"),
        ("0001-01-01", "0001-01-31"),
        ("9999-12-01", "9999-12-31"),
    ],
)
def test_days_that_make_no_sense_are_refused(scene: Scene, first: str, last: str) -> None:
    with pytest.raises(NotAllowed):
        scene.add_batch(first, last)


def test_a_source_that_is_gone_or_disabled_is_refused(scene: Scene) -> None:
    scene.source_id = scene.add_source("旧系统", enabled=False)
    with pytest.raises(NotAllowed):
        scene.add_batch()
    scene.source_id = 10_000
    with pytest.raises(NotAllowed):
        scene.add_batch()


def test_a_start_opens_only_the_shards_months(scene: Scene) -> None:
    batch_id = scene.add_batch(last="2024-05-31", start=False)

    def opened() -> list[bool]:
        return [part.listing_status is ListingStatus.OPEN for part in scene.slices(batch_id)]

    scene.do(batches.start, batch_id, shard_index=1, shard_total=2)
    assert opened() == [False, True, False, True, False]
    scene.do(batches.start, batch_id, shard_index=0, shard_total=2)
    assert opened() == [True] * 5
    assert scene.batch(batch_id).run_no == 1


def test_giving_back_waits_for_the_next_run_and_keeps_quiet_otherwise(scene: Scene) -> None:
    batch_id = running(scene)
    scene.do(batches.give_back, batch_id)
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.paused_by) == (RunStatus.WAITING, None)
    scene.do(batches.give_back, batch_id)
    assert len(scene.events(batch_id, "batch.give-back")) == 1
    scene.do(batches.start, batch_id)
    assert scene.batch(batch_id).run_no == 2


def test_a_pause_and_a_cancel_say_who(scene: Scene) -> None:
    batch_id = paused(scene)
    assert scene.batch(batch_id).paused_by == BY
    scene.do(batches.cancel, batch_id)
    batch = scene.batch(batch_id)
    assert (batch.paused_by, batch.cancelled_by, batch.ended_at) == (None, BY, scene.now)


def test_a_deleted_batch_is_not_found_and_its_number_not_used_again(scene: Scene) -> None:
    batch_id = waiting(scene)
    batch_no = scene.batch(batch_id).batch_no
    with scene.ledger.read() as session:
        assert batches.find(session, batch_no).id == batch_id
    scene.do(batches.delete, batch_id)
    with scene.ledger.read() as session:
        with pytest.raises(NotFound, match=batch_no):
            batches.find(session, batch_no)
        assert batch_lists.newest(session, limit=5) == []
    assert scene.batch(waiting(scene)).batch_no != batch_no
    assert scene.events(batch_id, "batch.delete") != []


def test_batches_are_listed_newest_first(scene: Scene) -> None:
    ids = [waiting(scene) for _ in range(3)]
    with scene.ledger.read() as session:
        assert [batch.id for batch in batch_lists.newest(session, limit=2)] == [ids[2], ids[1]]


def test_an_unfinished_batch_of_equal_scope_is_found(scene: Scene) -> None:
    days = date(2024, 1, 1), date(2024, 1, 31)
    with scene.ledger.write() as session:
        made = batches.create(
            session,
            BatchScope(scene.source_id, *days, ("1001", "1002"), ("A",)),
            by=BY,
            now=scene.now,
            zone=SHANGHAI,
        ).id

    def found(scope: BatchScope) -> int | None:
        with scene.ledger.write() as session:
            batch = batches.find_unfinished(session, scope)
            return None if batch is None else batch.id

    equal = BatchScope(scene.source_id, *days, ("1002", "1001", "1002"), ("A",))
    assert found(equal) == made
    assert found(BatchScope(scene.source_id, *days, ("1001",), ("A",))) is None
    assert found(BatchScope(scene.source_id, *days)) is None
    assert found(BatchScope(scene.add_source("x"), *days, ("1001", "1002"), ("A",))) is None
    with scene.ledger.write() as session:
        batches.cancel(session, session.get_one(Batch, made), by=BY, now=scene.now)
    assert found(equal) is None


def test_an_unfinished_batch_is_found_as_it_is_now(scene: Scene, database_url: str) -> None:
    """A pause that came between two looks of one transaction is not overlooked."""
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one writing transaction at a time")
    batch_id = waiting(scene)
    with scene.ledger.write() as session:
        seen = session.get_one(Batch, batch_id)
        assert seen.paused_by is None
        scene.do(batches.pause, batch_id)
        assert batches.find_unfinished(session, scene.scope()) is seen
        assert seen.paused_by == BY


def test_a_priority_is_changed_with_a_trace_until_the_end(scene: Scene) -> None:
    batch_id = scene.add_batch(start=False)
    assert scene.batch(batch_id).priority is Priority.NORMAL
    for _ in range(2):  # the second time there is nothing to do
        scene.do(batches.set_priority, batch_id, priority=Priority.HIGH)
    assert scene.batch(batch_id).priority is Priority.HIGH
    changes = scene.events(batch_id, "batch.priority")
    assert [(event.old, event.new) for event in changes] == [("normal", "high")]
    scene.do(batches.cancel, batch_id)
    with pytest.raises(NotAllowed):
        scene.do(batches.set_priority, batch_id, priority=Priority.LOW)
