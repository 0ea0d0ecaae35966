from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from portal.errors import BatchRefused, NotAllowed, SyncError
from portal.models import Batch
from portal.services import retrying
from portal.services.item_filter import ItemFilter
from portal.statuses import ItemStatus, ListingStatus, RunStatus, SyncStatus
from portal.sync.sources.rows import SourceDocument
from tests.portal.fake_source import FIRST_COLLECTED, FakeSource, make_document, make_file
from tests.portal.ledger_scene import BY, SHANGHAI, Scene, failed, stored

PROBLEM = SyncError("META_MISSING_FIELD", field="fileName")


def ended_batch(scene: Scene) -> int:
    """One document synced, two failed for their bytes, one for its data."""
    batch_id = scene.listed_batch(
        [*(make_document(number) for number in range(3)), make_document(3, problem=PROBLEM)]
    )
    good, *bad = scene.claim(batch_id)
    wrong = [failed(claim, "FILE_CORRUPT", detail="-") for claim in bad]
    scene.settle(batch_id, stored(good), *wrong)
    assert scene.batch(batch_id).run_status is RunStatus.ENDED
    return batch_id


def relist(scene: Scene, batch_id: int, documents: list[SourceDocument]) -> None:
    scene.discovery(FakeSource(documents)).list_slice(scene.slice(batch_id).id)


def everything(*, mended: bool) -> list[SourceDocument]:
    last = make_document(3, problem=None if mended else PROBLEM)
    return [*(make_document(number) for number in range(3)), last]


def test_all_that_failed_is_tried_again_permanent_failures_too(scene: Scene) -> None:
    noise = ended_batch_of_others(scene)
    batch_id = ended_batch(scene)
    scene.advance(60)
    assert scene.do(retrying.retry, batch_id) == 3
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.run_no, batch.ended_at) == (RunStatus.RUNNING, 2, None)
    assert scene.counts(batch_id) == (4, 1, 0, 1)
    claims = scene.claim(batch_id)
    assert [claim.attempt for claim in claims] == [1, 1]
    relist(scene, batch_id, everything(mended=False))
    scene.settle(batch_id, *map(stored, claims))
    assert scene.counts(batch_id) == (4, 3, 0, 1)
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.sync_status) == (RunStatus.ENDED, SyncStatus.PARTIAL)
    assert scene.counts(noise) == (1, 0, 0, 1)


def ended_batch_of_others(scene: Scene) -> int:
    noise = scene.add_noise([make_document(0)])
    (claim,) = scene.claim(noise)
    scene.settle(noise, failed(claim, "FILE_CORRUPT", detail="-"))
    return noise


def test_documents_whose_data_was_wrong_are_listed_again(scene: Scene) -> None:
    batch_id = ended_batch(scene)
    scene.do(retrying.retry, batch_id)
    assert scene.slice(batch_id).listing_status is ListingStatus.OPEN
    (asked,) = scene.events(batch_id, "item.relist")  # who asked stands with the document
    assert (asked.actor, asked.old, asked.new) == (BY, "failed", None)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING
    relist(scene, batch_id, everything(mended=True))
    assert scene.items(batch_id)["FYBX00003"].status is ItemStatus.PENDING
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.sync_status) == (RunStatus.ENDED, SyncStatus.COMPLETE)


def test_only_the_named_documents_are_tried_again(scene: Scene) -> None:
    batch_id = ended_batch(scene)
    document = scene.document("FYBX00002")
    assert scene.do(retrying.retry, batch_id, document_ids=[document.id]) == 1
    assert [claim.document_id for claim in scene.claim(batch_id)] == [document.id]
    assert scene.slice(batch_id).listing_status is ListingStatus.LISTED


@pytest.mark.parametrize("image_no", ["FYBX00000", None])
def test_what_did_not_fail_is_not_tried_again(scene: Scene, image_no: str | None) -> None:
    batch_id = ended_batch(scene)
    ids = [scene.document(image_no).id] if image_no else []
    with pytest.raises(NotAllowed):
        scene.do(retrying.retry, batch_id, document_ids=ids)


def test_a_listing_that_failed_goes_on_at_its_page(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource([make_document(number) for number in range(4)])

    def refuse(page_no: int) -> None:
        if page_no == 2:
            raise SyncError("SRC_FORBIDDEN")

    source.before_page = refuse
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    assert scene.batch(batch_id).sync_status is SyncStatus.PARTIAL
    scene.do(retrying.retry, batch_id)
    part = scene.slice(batch_id)
    assert (part.listing_status, part.next_page, part.error_code) == (ListingStatus.OPEN, 2, None)
    source.before_page = lambda _: None
    scene.discovery(source).list_slice(part.id)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    batch = scene.batch(batch_id)
    assert (batch.listing_failed, batch.sync_status) == (False, SyncStatus.COMPLETE)
    assert scene.counts(batch_id) == (4, 4, 0, 0)


def test_a_listing_that_was_short_starts_anew(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource([make_document(0)])
    source.counted = 3
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    assert scene.do(retrying.retry, batch_id) == 0
    relist(scene, batch_id, [make_document(number) for number in range(3)])
    part = scene.slice(batch_id)
    assert (part.total, part.listing_round, part.error_code) == (3, 1, None)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.sync_status) == (RunStatus.ENDED, SyncStatus.COMPLETE)
    with pytest.raises(NotAllowed):
        scene.do(retrying.retry, batch_id)


def replaced_batch(scene: Scene) -> int:
    """One document whose bytes are not those that were listed, one whose bytes are bad."""
    batch_id = scene.listed_batch([make_document(0), make_document(1)])
    replaced, bad = scene.claim(batch_id)
    scene.settle(
        batch_id,
        failed(replaced, "FILE_DIGEST_MISMATCH", algorithm="SHA-256"),
        failed(bad, "FILE_CORRUPT", detail="-"),
    )
    return batch_id


def test_a_document_replaced_at_the_source_is_described_anew_before_it_is_tried(
    scene: Scene,
) -> None:
    batch_id = replaced_batch(scene)
    assert scene.do(retrying.retry, batch_id) == 2
    assert scene.counts(batch_id) == (2, 0, 0, 0)
    (other,) = scene.claim(batch_id)
    assert other.document_id == scene.document("FYBX00001").id
    scene.settle(batch_id, stored(other))
    described = (make_file(0, 1, sha256="f" * 64),)
    relist(scene, batch_id, [replace(make_document(0), files=described), make_document(1)])
    (claim,) = scene.claim(batch_id)
    assert (claim.files, claim.attempt) == (described, 1)
    scene.settle(batch_id, stored(claim))
    assert scene.batch(batch_id).sync_status is SyncStatus.COMPLETE


@pytest.mark.parametrize("gone", [True, False])
def test_it_is_tried_also_when_the_listing_has_nothing_new_or_fails(
    scene: Scene, gone: bool
) -> None:
    batch_id = replaced_batch(scene)
    scene.do(retrying.retry, batch_id)
    source = FakeSource([make_document(1)])
    if not gone:
        source.before_page = refuse
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    assert len(scene.claim(batch_id)) == 2


def refuse(_: int) -> None:
    raise SyncError("SRC_FORBIDDEN")


def test_a_failed_listing_with_documents_to_describe_anew_starts_from_its_first_page(
    scene: Scene,
) -> None:
    batch_id = replaced_batch(scene)
    scene.do(retrying.retry, batch_id)
    source = FakeSource([make_document(number) for number in range(4)])
    source.before_page = lambda page_no: refuse(page_no) if page_no == 2 else None
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    scene.settle(
        batch_id,
        *(
            failed(claim, "FILE_DIGEST_MISMATCH", algorithm="SHA-256")
            for claim in scene.claim(batch_id)
        ),
    )
    scene.do(retrying.retry, batch_id)
    part = scene.slice(batch_id)
    assert (part.listing_status, part.next_page) == (ListingStatus.OPEN, 1)


def test_the_trail_tells_of_the_batch_and_of_every_document(scene: Scene) -> None:
    batch_id = ended_batch(scene)
    before = len(scene.events(batch_id, "item.status"))
    scene.advance(60)
    scene.do(retrying.retry, batch_id)
    (event,) = scene.events(batch_id, "batch.retry")
    assert (event.actor, event.old, event.new, event.at) == (BY, "ended", "running", scene.now)
    assert event.detail == {"documents": 3, "listings": 0}
    again = scene.events(batch_id, "item.status")[before:]
    assert [(one.document_id, one.old, one.new, one.actor, one.at) for one in again] == [
        (scene.document(image_no).id, "failed", "pending", BY, scene.now)
        for image_no in ("FYBX00001", "FYBX00002")
    ]


def test_a_month_alone_is_sent_again(scene: Scene) -> None:
    batch_id = scene.add_batch("2024-01-01", "2024-02-29")
    february = FIRST_COLLECTED + timedelta(days=31)
    scene.list_all(batch_id, [make_document(0), make_document(1, collected_at=february)])
    scene.settle(batch_id, *(failed(claim, "FILE_CORRUPT") for claim in scene.claim(batch_id)))
    with pytest.raises(BatchRefused, match="2024-03"):
        scene.do(retrying.retry, batch_id, month="2024-03")
    assert scene.do(retrying.retry, batch_id, month="2024-02") == 1
    assert scene.counts(batch_id) == (2, 0, 0, 1)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    assert scene.batch(batch_id).run_status is RunStatus.ENDED
    assert [part.sync_status for part in scene.slices(batch_id)] == [
        SyncStatus.FAILED,
        SyncStatus.COMPLETE,
    ]
    with pytest.raises(BatchRefused, match="所选的单据中没有失败的"):
        scene.do(retrying.retry, batch_id, month="2024-02")


def test_the_listing_of_another_month_that_failed_stays_as_it_is(scene: Scene) -> None:
    batch_id = scene.add_batch("2024-01-01", "2024-02-29")
    january, february = scene.slices(batch_id)
    source = FakeSource([make_document(0)])
    source.before_page = refuse
    scene.discovery(source).list_slice(january.id)
    scene.discovery(source).list_slice(february.id)
    assert scene.batch(batch_id).listing_failed
    scene.do(retrying.retry, batch_id, month="2024-01")
    scene.list_all(batch_id, [make_document(0)])
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.listing_failed) == (RunStatus.ENDED, True)
    assert [part.listing_status for part in scene.slices(batch_id)] == [
        ListingStatus.LISTED,
        ListingStatus.FAILED,
    ]


def two_months(scene: Scene) -> int:
    """January: one synced, two failed of two causes; February: one failed."""
    batch_id = scene.add_batch(last="2024-02-29")
    february = FIRST_COLLECTED + timedelta(days=31)
    source = scene.list_all(
        batch_id,
        [*(make_document(n) for n in range(3)), make_document(3, collected_at=february)],
    )
    assert len(source.documents) == 4
    good, *bad = scene.claim(batch_id)
    codes = ("FILE_CORRUPT", "FILE_TOO_LARGE", "FILE_CORRUPT")
    broken = [failed(claim, code, detail="-") for claim, code in zip(bad, codes, strict=True)]
    scene.settle(batch_id, stored(good), *broken)
    assert scene.batch(batch_id).run_status is RunStatus.ENDED
    return batch_id


def pending(scene: Scene, batch_id: int) -> set[str]:
    items = scene.items(batch_id).items()
    return {name[-1] for name, item in items if item.status is ItemStatus.PENDING}


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"code": "FILE_CORRUPT"}, "13"),
        ({"month": "2024-01"}, "12"),
        ({"month": "2024-01", "code": "FILE_CORRUPT"}, "1"),
        ({"matching": ItemFilter(month="2024-02")}, "3"),
        ({"matching": ItemFilter(applicant="张", code="FILE_TOO_LARGE")}, "2"),
        ({"matching": ItemFilter(first=date(2024, 2, 1)), "zone": SHANGHAI}, "3"),
        ({"matching": ItemFilter()}, "123"),
    ],
)
def test_only_what_was_asked_for_is_tried_again(
    scene: Scene, wish: dict[str, Any], expected: str
) -> None:
    batch_id = two_months(scene)
    assert scene.do(retrying.retry, batch_id, **wish) == len(expected)
    assert pending(scene, batch_id) == set(expected)
    assert scene.counts(batch_id) == (4, 1, 0, 3 - len(expected))
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    batch = scene.batch(batch_id)
    assert batch.run_status is RunStatus.ENDED
    assert (batch.sync_status is SyncStatus.COMPLETE) == (expected == "123")


def test_chosen_items_are_tried_again_and_those_that_did_not_fail_are_named(scene: Scene) -> None:
    batch_id = two_months(scene)
    ids = [scene.items(batch_id)[f"FYBX0000{n}"].id for n in (0, 2)]
    with scene.ledger.read() as session:
        batch = session.get_one(Batch, batch_id)
        named = retrying.not_failed(session, batch, ids)
    assert named == [("FYBX00000", ItemStatus.SYNCED)]
    assert scene.do(retrying.retry, batch_id, item_ids=ids) == 1
    assert pending(scene, batch_id) == {"2"}


@pytest.mark.parametrize(
    "wish",
    [
        {"code": "FILE_HOSTILE"},
        {"item_ids": []},
        {"matching": ItemFilter(status=ItemStatus.SYNCED)},
    ],
)
def test_a_wish_that_names_no_failure_is_refused(scene: Scene, wish: dict[str, Any]) -> None:
    batch_id = two_months(scene)
    with pytest.raises(NotAllowed, match="没有失败"):
        scene.do(retrying.retry, batch_id, **wish)
    assert scene.batch(batch_id).run_no == 1


def test_a_month_goes_on_listing_alone_and_one_cause_lists_nothing(scene: Scene) -> None:
    batch_id = scene.add_batch(last="2024-02-29")
    source = FakeSource([make_document(0)])
    source.before_page = refuse
    for part in scene.slices(batch_id):
        scene.discovery(source).list_slice(part.id)
    assert scene.batch(batch_id).run_status is RunStatus.ENDED
    with pytest.raises(NotAllowed):
        scene.do(retrying.retry, batch_id, code="FILE_CORRUPT")
    assert scene.do(retrying.retry, batch_id, month="2024-02") == 0
    january, february = scene.slices(batch_id)
    assert january.listing_status is ListingStatus.FAILED
    assert february.listing_status is ListingStatus.OPEN
