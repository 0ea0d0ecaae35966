"""运行历史: when runs begin, who or what began them, and how they end."""

from __future__ import annotations

from typing import Any

import pytest

from portal.models import BatchRun, RunOutcome
from portal.services import batches, retrying, runs
from portal.services.paging import Place
from portal.services.runs import JobOrigin
from portal.statuses import SyncStatus
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY, Scene, failed, stored


def history(scene: Scene, batch_id: int, **place: Any) -> list[BatchRun]:
    with scene.ledger.read() as session:
        found = runs.history(session, batch_id, Place("run", descending=True, **place))
        return list(found.rows)


def test_a_run_is_kept_from_its_start_to_its_end_with_its_counts(scene: Scene) -> None:
    batch_id = scene.listed_batch([make_document(number) for number in range(3)])
    (run,) = history(scene, batch_id)
    assert (run.run_no, run.started_by, run.started_at) == (1, BY, scene.now)
    assert (run.ended_at, run.outcome, run.total, run.retried) == (None, None, None, None)
    one, *others = scene.claim(batch_id)
    scene.advance(60)
    scene.settle(batch_id, failed(one, "FILE_CORRUPT", detail="-"), *map(stored, others))
    (run,) = history(scene, batch_id)
    assert (run.outcome, run.ended_at) == (RunOutcome.ENDED, scene.now)
    assert (run.total, run.done, run.failed) == (3, 2, 1)
    assert run.sync_status is SyncStatus.PARTIAL


def test_a_retry_is_a_run_that_says_what_it_was_for(scene: Scene) -> None:
    batch_id = scene.listed_batch([make_document(number) for number in range(3)])
    codes = ("FILE_CORRUPT", "FILE_CORRUPT", "FILE_TOO_LARGE")
    claims = scene.claim(batch_id)
    scene.settle(
        batch_id,
        *(failed(claim, code, detail="-") for claim, code in zip(claims, codes, strict=True)),
    )
    scene.do(retrying.retry, batch_id, code="FILE_CORRUPT")
    second, first = history(scene, batch_id)
    assert (second.run_no, second.retried, second.narrowed) == (2, 2, {"code": "FILE_CORRUPT"})
    assert first.failed == 3
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    second, _first = history(scene, batch_id)
    assert (second.done, second.failed, second.outcome) == (2, 1, RunOutcome.ENDED)
    scene.do(retrying.retry, batch_id)
    assert history(scene, batch_id)[0].narrowed is None


@pytest.mark.parametrize(
    ("verb", "outcome"),
    [
        (batches.pause, RunOutcome.PAUSED),
        (batches.give_back, RunOutcome.GIVEN_BACK),
        (batches.cancel, RunOutcome.CANCELLED),
    ],
)
def test_who_stops_a_run_stands_with_it(scene: Scene, verb: Any, outcome: RunOutcome) -> None:
    batch_id = scene.listed_batch([make_document(0)])
    scene.advance(5)
    scene.do(verb, batch_id)
    (run,) = history(scene, batch_id)
    assert (run.outcome, run.ended_by, run.ended_at) == (outcome, BY, scene.now)
    if verb is not batches.cancel:
        scene.advance(5)
        scene.do(batches.resume if verb is batches.pause else batches.start, batch_id)
        scene.do(batches.cancel, batch_id)
        later, earlier = history(scene, batch_id)
        assert (later.outcome, earlier.outcome) == (RunOutcome.CANCELLED, outcome)


def test_a_batch_that_never_ran_has_no_runs_even_when_it_is_cancelled(scene: Scene) -> None:
    batch_id = scene.add_batch(start=False)
    scene.do(batches.cancel, batch_id)
    assert history(scene, batch_id) == []


def test_the_job_that_began_a_run_is_named_until_the_executor_forgets_it(scene: Scene) -> None:
    batch_id = scene.add_batch(start=False)
    scene.do(batches.start, batch_id, job=JobOrigin(run_id=7, log_id=41))
    (run,) = history(scene, batch_id)
    assert (run.job_run_id, run.job_log_id) == (7, 41)


def test_runs_are_read_page_by_page(scene: Scene) -> None:
    batch_id = scene.add_batch(start=False)
    for _ in range(5):
        scene.do(batches.start, batch_id)
        scene.do(batches.give_back, batch_id)
    assert [run.run_no for run in history(scene, batch_id, size=2)] == [5, 4]
    assert [run.run_no for run in history(scene, batch_id, size=2, after="4")] == [3, 2]
