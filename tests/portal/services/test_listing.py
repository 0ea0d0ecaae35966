from __future__ import annotations

from typing import Any

from sqlalchemy import event, update
from sqlalchemy.orm import ORMExecuteState

from portal.errors import SyncError
from portal.models import Document, Slice, table_of
from portal.services.descriptions import Listed, listing_digest
from portal.services.leases import LEASE_SECONDS
from portal.services.listing import record_documents
from portal.statuses import ItemStatus
from portal.sync.sources.parse import parse_row
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import SourceDocument
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene, failed, stored


def record(scene: Scene, batch_id: int, *documents: SourceDocument) -> None:
    """One page, as discovery records it."""
    with scene.ledger.write() as session:
        part = session.get_one(Slice, scene.slices(batch_id)[0].id)
        record_documents(session, part, [*map(Listed.of, documents)], by="lister", now=scene.now)


def broken(number: int, **changes: Any) -> SourceDocument:
    problem = SyncError("META_MISSING_FIELD", field="fileName")
    return make_document(number, problem=problem, **changes)


def test_documents_files_and_items_are_recorded(scene: Scene) -> None:
    batch_id = scene.add_batch()
    record(scene, batch_id, make_document(1, files=2, extra={"摘要": "x"}), make_document(2))
    document = scene.document("FYBX00001")
    assert (document.bill_no, document.org_name, document.source_metadata) == (
        "FY-1", "深圳总部", {"摘要": "x"},
    )  # fmt: skip
    assert document.collected_at == make_document(1).collected_at
    assert [file.file_id for file in scene.files(document.id)] == ["f-1-1", "f-1-2"]
    assert list(scene.items(batch_id)) == ["FYBX00001", "FYBX00002"]
    assert scene.counts(batch_id) == (2, 0, 0, 0)


def test_a_page_recorded_twice_changes_nothing(scene: Scene) -> None:
    batch_id = scene.add_batch()
    page = [make_document(0, files=2), broken(1)]
    record(scene, batch_id, *page)
    before = {number: item.id for number, item in scene.items(batch_id).items()}
    events = len(scene.events(batch_id))
    record(scene, batch_id, *page)
    assert {number: item.id for number, item in scene.items(batch_id).items()} == before
    assert scene.counts(batch_id) == (2, 0, 0, 1)
    assert len(scene.events(batch_id)) == events
    assert len(scene.files(scene.document("FYBX00000").id)) == 2


def test_the_same_document_twice_on_a_page_and_on_two_pages_is_one(scene: Scene) -> None:
    batch_id = scene.add_batch()
    record(scene, batch_id, make_document(0), make_document(0), make_document(1))
    record(scene, batch_id, make_document(1), make_document(2))
    assert scene.counts(batch_id)[0] == 3


def test_two_resources_may_use_the_same_image_number(scene: Scene) -> None:
    batch_id = scene.add_batch()
    record(scene, batch_id, make_document(0), make_document(0, resource="", files=2))
    assert scene.counts(batch_id)[0] == 2
    claims = scene.claim(batch_id)
    assert len({claim.folder for claim in claims}) == 2


def test_two_sources_may_use_the_same_image_number(scene: Scene) -> None:
    noise = scene.add_noise([make_document(0)])
    batch_id = scene.listed_batch([make_document(0, bill_no="mine")])
    assert scene.counts(noise)[0] == scene.counts(batch_id)[0] == 1
    assert scene.document("FYBX00000").bill_no == "mine"


def test_rows_without_a_number_are_counted_once_each(scene: Scene) -> None:
    batch_id = scene.add_batch()
    rows = [
        parse_row({"billNo": f"FY-{number}", "collectTime": "2024-01-03"}, ConnectorProfile())
        for number in range(2)
    ]
    record(scene, batch_id, *rows, make_document(0))
    record(scene, batch_id, *rows)
    assert scene.counts(batch_id) == (3, 0, 0, 2)
    codes = [item.error_code for key, item in scene.items(batch_id).items() if "ROW-" in key]
    assert codes == ["META_NO_IMAGE_NO", "META_NO_IMAGE_NO"]


def test_a_row_with_a_problem_fails_at_once_with_its_reason(scene: Scene) -> None:
    batch_id = scene.add_batch()
    record(scene, batch_id, broken(0))
    item = scene.items(batch_id)["FYBX00000"]
    assert (item.status, item.error_code, item.error_params, item.finished_at) == (
        ItemStatus.FAILED, "META_MISSING_FIELD", {"field": "fileName"}, scene.now,
    )  # fmt: skip
    assert scene.claim(batch_id) == []
    (event,) = scene.events(batch_id, "item.status")
    assert (event.old, event.new, event.reason, event.actor) == (
        "pending", "failed", "META_MISSING_FIELD", "lister",
    )  # fmt: skip


def test_a_row_mended_at_the_source_becomes_pending(scene: Scene) -> None:
    batch_id = scene.add_batch()
    record(scene, batch_id, broken(0))
    record(scene, batch_id, make_document(0, files=2))
    item = scene.items(batch_id)["FYBX00000"]
    assert (item.status, item.error_code, item.error_params, item.finished_at) == (
        ItemStatus.PENDING, None, None, None,
    )  # fmt: skip
    assert scene.counts(batch_id) == (1, 0, 0, 0)
    (claim,) = scene.claim(batch_id)
    assert len(claim.files) == 2
    assert [(e.old, e.new) for e in scene.events(batch_id, "item.status")] == [
        ("pending", "failed"), ("failed", "pending"),
    ]  # fmt: skip


def test_what_failed_for_its_bytes_does_not_come_back_by_listing(scene: Scene) -> None:
    batch_id = scene.add_batch()
    record(scene, batch_id, make_document(0), make_document(1))
    first, _ = scene.claim(batch_id)
    scene.settle(batch_id, failed(first, "FILE_CORRUPT", detail="-"))
    record(scene, batch_id, make_document(0))
    assert scene.counts(batch_id) == (2, 0, 0, 1)


def test_a_change_at_the_source_is_taken_over(scene: Scene) -> None:
    batch_id = scene.add_batch()
    record(scene, batch_id, make_document(0, files=2))
    changed = make_document(0, bill_no="new", files=1)
    assert listing_digest(changed) != listing_digest(make_document(0, files=2))
    record(scene, batch_id, changed)
    document = scene.document("FYBX00000")
    assert document.bill_no == "new"
    assert [file.file_id for file in scene.files(document.id)] == ["f-0-1"]
    assert scene.counts(batch_id)[0] == 1


def test_what_somebody_moves_just_now_is_not_changed(scene: Scene) -> None:
    batch_id = scene.add_batch()
    record(scene, batch_id, make_document(0, files=2))
    (claim,) = scene.claim(batch_id)
    record(scene, batch_id, make_document(0, files=1))
    scene.settle(batch_id, stored(claim))
    files = scene.files(scene.document("FYBX00000").id)
    assert [file.stored_at for file in files] == [scene.now, scene.now]


def test_what_somebody_held_too_long_is_changed_and_his_old_files_are_refused(scene: Scene) -> None:
    batch_id = scene.add_batch()
    record(scene, batch_id, make_document(0, files=1))
    (claim,) = scene.claim(batch_id)
    scene.advance(LEASE_SECONDS)
    record(scene, batch_id, make_document(0, files=2))
    late = stored(claim)
    assert scene.settle(batch_id, late) == [late]
    assert scene.document("FYBX00000").archived_at is None
    (again,) = scene.claim(batch_id, owner="w2")
    assert len(again.files) == 2


def test_what_was_archived_while_the_page_was_read_keeps_its_files(scene: Scene) -> None:
    """Another batch archives the document between the page's first look and its lock."""
    batch_id = scene.add_batch()
    record(scene, batch_id, make_document(0, files=2))
    with scene.ledger.write() as session:

        def archive(state: ORMExecuteState) -> None:
            if str(state.statement).endswith("FOR UPDATE"):
                session.connection().execute(
                    update(table_of(Document)).values(archived_at=scene.now)
                )

        event.listen(session, "do_orm_execute", archive)
        part = session.get_one(Slice, scene.slice(batch_id).id)
        changed = make_document(0, files=1, bill_no="changed")
        record_documents(session, part, [Listed.of(changed)], by="lister", now=scene.now)
    document = scene.document("FYBX00000")
    assert document.archived_at == scene.now
    assert document.bill_no == "FY-0"
    assert len(scene.files(document.id)) == 2


def test_a_row_that_broke_does_not_take_files_from_a_document_about_to_be_moved(
    scene: Scene,
) -> None:
    """Its listing may lack files, and what is moved must be whole."""
    batch_id = scene.add_batch()
    record(scene, batch_id, make_document(0, files=2))
    other = scene.add_batch()
    record(scene, other, broken(0, files=1))
    record(scene, batch_id, broken(0, files=1))
    (claim,) = scene.claim(batch_id)
    assert len(claim.files) == 2
    assert scene.items(other)["FYBX00000"].status is ItemStatus.FAILED


def test_what_is_archived_is_skipped_and_stays_as_it_is(scene: Scene) -> None:
    first = scene.listed_batch([make_document(0)])
    scene.settle(first, *map(stored, scene.claim(first)))
    archived = scene.document("FYBX00000")
    second = scene.add_batch()
    record(scene, second, make_document(0, bill_no="changed", files=3), make_document(1))
    assert scene.counts(second) == (2, 0, 1, 0)
    document = scene.document("FYBX00000")
    assert (document.bill_no, document.folder) == ("FY-0", archived.folder)
    (event,) = scene.events(second, "item.status")
    assert (event.old, event.new) == ("pending", "skipped")
    record(scene, first, make_document(0))
    assert scene.counts(first) == (1, 1, 0, 0)
