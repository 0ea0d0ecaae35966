"""推送核对: what the target does not know is found and can be pushed again; retrying by cause."""

from __future__ import annotations

from sqlalchemy import update

from portal.models import Batch, Document
from portal.services import push_checking, push_reports, push_targets
from portal.services.push_checking import PushCheck
from portal.statuses import PushStatus
from tests.portal.ledger_scene import BY
from tests.portal.tasks.pushing.push_scene import BOX, PushScene


def check(pushing: PushScene, batch_id: int | None = None) -> PushCheck:
    row = pushing.target()
    target = push_targets.open_target(row, BOX)
    try:
        return push_checking.check(
            pushing.ledger,
            target,
            row,
            batch=pushing.scene.batch(batch_id) if batch_id is not None else None,
            by=BY,
            clock=pushing.scene.clock,
            wait=lambda _seconds: None,
        )
    finally:
        target.close()


def retry(pushing: PushScene, batch_id: int, code: str | None = None) -> int:
    batch = pushing.scene.batch(batch_id)
    return push_reports.retry(pushing.ledger, batch, by=BY, now=pushing.scene.now, code=code)


def test_everything_there_is_clean(pushing: PushScene) -> None:
    batch_id = pushing.archived(5)
    assert not check(pushing).is_clean  # none of them was pushed yet
    pushing.work()
    for found in (check(pushing), check(pushing, batch_id)):
        assert (found.looked_at, found.is_clean) == (5, True)


def test_what_is_missing_is_named_and_pushed_again(pushing: PushScene) -> None:
    batch_id = pushing.archived(4)
    pusher = pushing.pusher()
    pushing.double.misbehave(forget_every=2)
    pushing.change_target(concurrency_cap=1)
    pushing.work(pusher, seconds=0)
    pushing.double.misbehave()
    # As a target does that loses what it said it had: the ledger says that all is confirmed.
    for push in pushing.pushes().values():
        assert push.status in (PushStatus.CONFIRMED, PushStatus.PUSHED)
    found = check(pushing, batch_id)
    assert len(found.missing) == 2
    assert found.failed == 0
    named = {one["image_no"] for one in found.missing}
    assert named == set(pushing.in_archive()) - {
        number for number, files in pushing.at_double().items() if files
    }
    failed = {no for no, push in pushing.pushes().items() if push.status is PushStatus.FAILED}
    assert failed == named
    assert retry(pushing, batch_id, "TGT_REFUSED") == 0
    assert retry(pushing, batch_id) == 2
    pushing.work(pusher)
    assert check(pushing, batch_id).is_clean
    assert pushing.at_double() == pushing.in_archive()


def test_another_type_at_the_target_is_told(pushing: PushScene) -> None:
    pushing.archived(2)
    pushing.work()
    with pushing.ledger.write() as session:
        session.execute(
            update(Document).where(Document.image_no == "FYBX00001").values(bill_type_code="X")
        )
    found = check(pushing)
    assert found.different == [{"image_no": "FYBX00001", "resource": "EAS", "type": "FYBX"}]
    assert pushing.statuses() == {"confirmed": 2}


def test_an_error_of_the_target_on_the_way_is_tried_again(pushing: PushScene) -> None:
    pushing.archived(5)
    pushing.work()
    pushing.double.misbehave(error_every=2)
    assert check(pushing).looked_at == 5


def test_a_batchs_progress_counts_what_other_batches_pushed_too(pushing: PushScene) -> None:
    first = pushing.archived(3)
    pushing.work()
    again = pushing.scene.add_batch()
    pushing.scene.list_all(again, [])
    with pushing.ledger.write() as session:
        session.get_one(Batch, again).push_target_id = pushing.target_id
    for batch_id, archived in ((first, 3), (again, 0)):
        with pushing.ledger.read() as session:
            progress = push_reports.progress(session, session.get_one(Batch, batch_id))
        assert progress is not None
        assert (progress.archived, progress.confirmed) == (archived, archived)
        assert progress.is_settled
