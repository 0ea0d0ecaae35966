"""Job runs in the trail, and its anchor in their logs."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.models import AuditEvent, utc_now
from portal.services.seal_form import Anchor, anchors_in
from portal.services.sealing import newest_anchor, seal_step
from tests.portal.jobs.job_rig import JobRig


def events(rig: JobRig) -> list[AuditEvent]:
    with rig.portal.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action.startswith("job."))
        return list(session.scalars(query.order_by(AuditEvent.id)))


def sealed_anchor(rig: JobRig) -> Anchor:
    while seal_step(rig.portal.ledger, rig.portal.seal_key, now=utc_now()):
        pass
    with rig.portal.ledger.read() as session:
        anchor = newest_anchor(session)
    assert anchor is not None
    return anchor


def test_acceptance_and_end_of_a_run_are_recorded(rig: JobRig) -> None:
    rig.run(11, "nonsense")
    accepted, ended = events(rig)
    assert (accepted.action, accepted.new, accepted.origin) == ("job.accept", "queued", "127.0.0.1")
    assert (ended.action, ended.new, ended.actor) == ("job.end", "failed", "xxl-job")
    assert accepted.detail == {
        "handler": "DataSyncTask", "job_id": 7, "log_id": 11, "params": "nonsense",
    }  # fmt: skip
    assert ended.detail == {**accepted.detail, "code": 500}
    assert ended.reason == rig.result(11)[1][:255]


def test_a_trigger_that_comes_twice_is_recorded_once(rig: JobRig) -> None:
    rig.trigger(11)
    rig.trigger(11)
    rig.perform()
    assert [event.action for event in events(rig)] == ["job.accept", "job.end"]


@pytest.mark.parametrize("end", ["at once", "kill", "timeout", "batches"])
def test_the_log_of_every_run_ends_with_the_anchor(rig: JobRig, end: str) -> None:
    if end != "at once":
        batch_id = rig.scene.add_batch(start=False)
    rig.trigger(11, executorTimeout=60)
    anchor = sealed_anchor(rig)
    rig.perform()
    if end == "kill":
        rig.call("kill", {"jobId": 7})
    elif end == "timeout":
        rig.time_out(11)
    elif end == "batches":
        rig.scene.list_all(batch_id, [])
        rig.follow()
    assert rig.status(11).is_ended
    assert [found.no for found in anchors_in(rig.log(11))] == [anchor.no]
    assert str(anchor) in rig.log(11).splitlines()[-1]
    assert [event.action for event in events(rig)] == ["job.accept", "job.end"]
