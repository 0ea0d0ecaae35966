"""What a new batch over an old range does with what earlier batches have dealt with."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from portal.errors import SyncError
from portal.models import Overlap
from portal.services import batches, retrying
from portal.services.leases import LEASE_SECONDS
from portal.statuses import ItemStatus
from portal.sync.sources.rows import SourceDocument
from portal.sync.transfer.work import Result
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene, failed, stored

NUMBER = "FYBX00000"
DIGEST = "0" * 64


def digested(number: int = 0, **changes: Any) -> SourceDocument:
    """A document whose every file is declared with a digest."""
    document = make_document(number, **{"files": 2, **changes})
    return replace(document, files=tuple(replace(f, sha256=DIGEST) for f in document.files))


def archived(scene: Scene, *documents: SourceDocument) -> int:
    batch_id = scene.listed_batch(documents)
    scene.settle(batch_id, *(stored(claim) for claim in scene.claim(batch_id)))
    scene.advance(60)
    return batch_id


def broken(scene: Scene, *documents: SourceDocument) -> int:
    """A batch in which the documents failed."""
    batch_id = scene.listed_batch(documents)
    claims = scene.claim(batch_id)
    scene.settle(batch_id, *(failed(claim, "FILE_CORRUPT", detail="x") for claim in claims))
    scene.advance(60)
    return batch_id


def status(scene: Scene, batch_id: int, number: str = NUMBER) -> ItemStatus:
    return scene.items(batch_id)[number].status


# missing


def test_what_failed_and_did_not_change_is_carried_over(scene: Scene) -> None:
    earlier = broken(scene, make_document(0))
    batch_id = scene.listed_batch([make_document(0)])
    before, item = scene.items(earlier)[NUMBER], scene.items(batch_id)[NUMBER]
    assert (item.status, item.error_code, item.error_params, item.failed_file_id) == (
        ItemStatus.FAILED, "FILE_CORRUPT", before.error_params, before.failed_file_id,
    )  # fmt: skip
    assert scene.counts(batch_id) == (1, 0, 0, 1)
    assert scene.claim(batch_id) == []
    assert scene.batch(batch_id).is_finished
    (event,) = scene.events(batch_id, "item.status")
    assert (event.old, event.new) == ("pending", "failed")
    assert "FILE_CORRUPT" in str(event.reason)
    assert scene.batch(earlier).batch_no in str(event.reason)


def test_a_failure_is_carried_over_from_batch_to_batch_until_a_person_retries(
    scene: Scene,
) -> None:
    broken(scene, make_document(0))
    scene.listed_batch([make_document(0)])
    third = scene.listed_batch([make_document(0)])
    assert status(scene, third) is ItemStatus.FAILED
    scene.do(retrying.retry, third)
    (claim,) = scene.claim(third)
    scene.settle(third, stored(claim))
    assert status(scene, third) is ItemStatus.SYNCED


def test_what_failed_is_tried_when_the_source_describes_it_anew(scene: Scene) -> None:
    broken(scene, make_document(0))
    batch_id = scene.listed_batch([make_document(0, files=2)])
    (claim,) = scene.claim(batch_id)
    assert len(claim.files) == 2


def test_a_change_that_the_failed_batch_itself_has_listed_since_is_seen(scene: Scene) -> None:
    earlier = scene.listed_batch(
        [make_document(0), make_document(1, problem=SyncError("META_NO_FILES"))]
    )
    (claim,) = scene.claim(earlier)
    scene.settle(earlier, failed(claim, "FILE_CORRUPT", detail="x"))
    item = scene.items(earlier)["FYBX00001"]
    scene.do(retrying.retry, earlier, document_ids=[item.document_id])
    changed = make_document(0, files=2)
    scene.list_all(earlier, [changed, make_document(1)])
    assert status(scene, earlier) is ItemStatus.FAILED
    batch_id = scene.listed_batch([changed])
    assert status(scene, batch_id) is ItemStatus.PENDING


def test_a_document_that_a_cancelled_batch_never_decided_is_tried(scene: Scene) -> None:
    broken(scene, make_document(0))
    undecided = scene.listed_batch([make_document(0)], Overlap.MISSING_AND_FAILED)
    scene.do(batches.cancel, undecided)
    batch_id = scene.listed_batch([make_document(0), make_document(1)])
    assert len(scene.claim(batch_id)) == 2


def test_the_description_that_was_tried_counts_not_the_one_that_was_listed(scene: Scene) -> None:
    """The description changes while the document waits: the batch tries the new one."""
    earlier = scene.listed_batch([make_document(0)])
    changed = make_document(0, files=2)
    other = scene.listed_batch([changed])
    scene.do(batches.cancel, other)
    (claim,) = scene.claim(earlier)
    assert len(claim.files) == 2
    scene.settle(earlier, failed(claim, "FILE_CORRUPT", detail="x"))
    scene.do(batches.delete, other)
    assert scene.items(earlier)[NUMBER].tried_digest is not None


def test_bad_data_fails_under_its_own_code_again(scene: Scene) -> None:
    problem = SyncError("META_NO_FILES")
    scene.listed_batch([make_document(0, problem=problem)])
    batch_id = scene.listed_batch([make_document(0, problem=problem)])
    (event,) = scene.events(batch_id, "item.status")
    assert event.reason == "META_NO_FILES"
    mended = scene.listed_batch([make_document(0)])
    assert status(scene, mended) is ItemStatus.PENDING


# missing_and_failed


def test_what_failed_is_tried_again_when_asked_for(scene: Scene) -> None:
    broken(scene, make_document(0))
    archived(scene, make_document(1))
    batch_id = scene.listed_batch([make_document(0), make_document(1)], Overlap.MISSING_AND_FAILED)
    assert status(scene, batch_id) is ItemStatus.PENDING
    assert status(scene, batch_id, "FYBX00001") is ItemStatus.SKIPPED


# all


def test_all_tries_what_failed_and_what_is_new(scene: Scene) -> None:
    broken(scene, make_document(0))
    batch_id = scene.listed_batch([make_document(0), make_document(1)], Overlap.ALL)
    claims = scene.claim(batch_id)
    assert [claim.recheck for claim in claims] == [None, None]


def test_an_unchanged_document_with_digests_is_only_read_again(scene: Scene) -> None:
    archived(scene, digested())
    document = scene.document(NUMBER)
    batch_id = scene.listed_batch([digested()], Overlap.ALL)
    assert scene.counts(batch_id) == (1, 0, 0, 0)
    (claim,) = scene.claim(batch_id)
    assert claim.recheck is not None
    assert (claim.recheck.redescribed, claim.recheck.declared) == (False, True)
    assert [file.storage_key for file in claim.recheck.files] == [
        file.storage_key for file in scene.files(document.id)
    ]
    assert scene.settle(batch_id, Result(claim)) == []
    assert scene.counts(batch_id) == (1, 0, 1, 0)
    assert scene.document(NUMBER).folder == document.folder
    assert scene.versions(document.id) == []
    assert scene.batch(batch_id).stored_files == 0


def test_without_digests_it_is_fetched_and_thrown_away_when_equal(scene: Scene) -> None:
    archived(scene, make_document(0, files=2))
    folder = scene.document(NUMBER).folder
    batch_id = scene.listed_batch([make_document(0, files=2)], Overlap.ALL)
    (claim,) = scene.claim(batch_id)
    assert claim.recheck is not None
    assert (claim.recheck.redescribed, claim.recheck.declared) == (False, False)
    result = stored(claim)
    assert scene.settle(batch_id, result) == [result]
    assert status(scene, batch_id) is ItemStatus.SKIPPED
    assert scene.document(NUMBER).folder == folder


def test_other_bytes_replace_the_archived_ones(scene: Scene) -> None:
    first = archived(scene, make_document(0, files=2))
    before = scene.document(NUMBER)
    old_files = scene.files(before.id)
    batch_id = scene.listed_batch([make_document(0, files=2)], Overlap.ALL)
    (claim,) = scene.claim(batch_id)
    assert scene.settle(batch_id, stored(claim, sha256="1" * 64)) == []
    assert scene.counts(batch_id) == (1, 1, 0, 0)
    after = scene.document(NUMBER)
    assert (after.folder, after.archived_by_item_id) == (claim.folder, claim.item_id)
    assert {file.sha256 for file in scene.files(after.id)} == {"1" * 64}
    ((version, files),) = scene.versions(after.id)
    assert (version.folder, version.archived_at, version.archived_by_item_id) == (
        before.folder, before.archived_at, scene.items(first)[NUMBER].id,
    )  # fmt: skip
    assert (version.replaced_at, version.replaced_by_item_id) == (scene.now, claim.item_id)
    assert [(file.storage_key, file.sha256, file.name) for file in files] == [
        (file.storage_key, file.sha256, file.name) for file in old_files
    ]
    (event,) = scene.events(batch_id, "document.replace")
    assert event.document_id == after.id
    assert event.reason == "rewritten"
    assert event.detail == {"old_folder": before.folder, "new_folder": claim.folder}
    assert scene.batch(first).stored_files == scene.batch(batch_id).stored_files == 2


def test_a_damaged_copy_is_replaced_though_the_bytes_are_the_same(scene: Scene) -> None:
    archived(scene, digested())
    batch_id = scene.listed_batch([digested()], Overlap.ALL)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, stored(claim, damage="ARCHIVE_DAMAGED"))
    assert status(scene, batch_id) is ItemStatus.SYNCED
    assert scene.document(NUMBER).folder == claim.folder
    (event,) = scene.events(batch_id, "document.replace")
    assert event.reason == "damaged"


def test_a_damaged_copy_that_cannot_be_fetched_stays_and_the_trail_says_so(scene: Scene) -> None:
    archived(scene, digested())
    folder = scene.document(NUMBER).folder
    batch_id = scene.listed_batch([digested()], Overlap.ALL)
    (claim,) = scene.claim(batch_id)
    error = SyncError("SRC_NOT_FOUND")
    scene.settle(batch_id, Result(claim, error=error, damage="ARCHIVE_DAMAGED"))
    assert status(scene, batch_id) is ItemStatus.FAILED
    assert scene.document(NUMBER).folder == folder
    (event,) = scene.events(batch_id, "document.damaged")
    assert event.reason == "ARCHIVE_DAMAGED"


def test_a_changed_description_waits_until_its_files_are_in_force(scene: Scene) -> None:
    archived(scene, digested(bill_no="old"))
    changed = digested(files=3, bill_no="new", amount=Decimal("12.50"), extra={"摘要": "y"})
    batch_id = scene.listed_batch([changed], Overlap.ALL)
    document = scene.document(NUMBER)
    assert document.bill_no == "old"
    assert len(scene.files(document.id)) == 2
    (claim,) = scene.claim(batch_id)
    assert claim.recheck is not None
    assert claim.recheck.redescribed
    assert [file.file_id for file in claim.files] == ["f-0-1", "f-0-2", "f-0-3"]
    scene.settle(batch_id, stored(claim))
    document = scene.document(NUMBER)
    assert (document.bill_no, document.amount, document.source_metadata) == (
        "new", Decimal("12.50"), {"摘要": "y"},
    )  # fmt: skip
    assert document.collected_at == changed.collected_at
    assert [file.storage_key is not None for file in scene.files(document.id)] == [True] * 3
    ((version, files),) = scene.versions(document.id)
    assert (version.bill_no, len(files)) == ("old", 2)
    (event,) = scene.events(batch_id, "document.replace")
    assert event.reason == "redescribed"
    # The next one finds it unchanged.
    scene.advance(60)
    again = scene.listed_batch([changed], Overlap.ALL)
    (claim,) = scene.claim(again)
    assert claim.recheck is not None
    assert not claim.recheck.redescribed


def test_the_default_policy_leaves_a_changed_description_alone(scene: Scene) -> None:
    archived(scene, digested(bill_no="old"))
    for overlap in (Overlap.MISSING, Overlap.MISSING_AND_FAILED):
        batch_id = scene.listed_batch([digested(bill_no="new")], overlap)
        assert status(scene, batch_id) is ItemStatus.SKIPPED
    assert scene.document(NUMBER).bill_no == "old"


def test_a_failed_replacement_leaves_the_old_version_and_a_retry_goes_on_with_the_new_words(
    scene: Scene,
) -> None:
    archived(scene, digested(bill_no="old"))
    batch_id = scene.listed_batch([digested(bill_no="new")], Overlap.ALL)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, failed(claim, "FILE_CORRUPT", detail="x"))
    assert scene.document(NUMBER).bill_no == "old"
    scene.do(retrying.retry, batch_id)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, stored(claim))
    assert scene.document(NUMBER).bill_no == "new"
    assert len(scene.versions(claim.document_id)) == 1


def test_a_row_that_became_bad_fails_and_the_archived_version_stays(scene: Scene) -> None:
    archived(scene, digested())
    folder = scene.document(NUMBER).folder
    bad = digested(problem=SyncError("META_NO_FILES"), files=0)
    batch_id = scene.listed_batch([bad], Overlap.ALL)
    assert scene.items(batch_id)[NUMBER].error_code == "META_NO_FILES"
    assert scene.document(NUMBER).folder == folder
    scene.do(retrying.retry, batch_id)
    scene.list_all(batch_id, [digested(bill_no="mended")])
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, stored(claim))
    assert scene.document(NUMBER).bill_no == "mended"


def test_a_retry_that_lists_again_takes_the_newest_words(scene: Scene) -> None:
    archived(scene, digested(bill_no="old"))
    batch_id = scene.listed_batch([digested(bill_no="new")], Overlap.ALL)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, failed(claim, "SRC_NOT_FOUND"))
    scene.do(retrying.retry, batch_id)
    scene.list_all(batch_id, [digested(bill_no="newest", files=1)])
    (claim,) = scene.claim(batch_id)
    assert len(claim.files) == 1
    scene.settle(batch_id, stored(claim))
    assert scene.document(NUMBER).bill_no == "newest"


def test_of_two_descriptions_the_later_one_wins_whoever_comes_last(scene: Scene) -> None:
    archived(scene, digested(bill_no="old"))
    slow = scene.listed_batch([digested(bill_no="second")], Overlap.ALL)
    scene.advance(1)
    quick = scene.listed_batch([digested(bill_no="third")], Overlap.ALL)
    (claim,) = scene.claim(quick)
    scene.settle(quick, stored(claim))
    (claim,) = scene.claim(slow)
    assert claim.recheck is not None
    assert not claim.recheck.redescribed
    scene.settle(slow, Result(claim))
    assert scene.document(NUMBER).bill_no == "third"
    assert status(scene, slow) is ItemStatus.SKIPPED


def test_words_listed_while_another_batch_moves_the_document_are_not_lost(scene: Scene) -> None:
    first = scene.listed_batch([digested(bill_no="old")])
    (moving,) = scene.claim(first)
    batch_id = scene.listed_batch([digested(bill_no="new")], Overlap.ALL)
    assert scene.claim(batch_id, owner="w2") == []
    scene.settle(first, stored(moving))
    (claim,) = scene.claim(batch_id, owner="w2")
    scene.settle(batch_id, stored(claim), owner="w2")
    assert scene.document(NUMBER).bill_no == "new"
    ((version, _),) = scene.versions(claim.document_id)
    assert version.bill_no == "old"


@pytest.mark.parametrize("publishes", [True, False])
def test_a_fenced_off_replacement_changes_nothing(scene: Scene, publishes: bool) -> None:
    archived(scene, digested())
    before = scene.document(NUMBER)
    batch_id = scene.listed_batch([digested(bill_no="new")], Overlap.ALL)
    (slow,) = scene.claim(batch_id, owner="w1")
    scene.advance(LEASE_SECONDS + 1)
    (claim,) = scene.claim(batch_id, owner="w2")
    assert slow.folder in claim.leftovers
    assert before.folder not in claim.leftovers
    late = stored(slow) if publishes else Result(slow)
    assert scene.settle(batch_id, late) == ([late] if publishes else [])
    assert scene.document(NUMBER).folder == before.folder
    assert scene.versions(before.id) == []
    scene.settle(batch_id, stored(claim), owner="w2")
    assert scene.document(NUMBER).folder == claim.folder


def test_no_claim_removes_the_folder_of_an_earlier_version(scene: Scene) -> None:
    archived(scene, digested())
    kept = {scene.document(NUMBER).folder}
    for name in ("second", "third"):
        batch_id = scene.listed_batch([digested(bill_no=name)], Overlap.ALL)
        (claim,) = scene.claim(batch_id)
        assert not kept & set(claim.leftovers)
        scene.settle(batch_id, stored(claim))
        kept.add(claim.folder)
        scene.advance(60)
    assert {version.folder for version, _ in scene.versions(scene.document(NUMBER).id)} < kept
    assert len(kept) == 3


def test_settling_a_replacement_twice_is_settling_it_once(scene: Scene) -> None:
    archived(scene, digested())
    batch_id = scene.listed_batch([digested(bill_no="new")], Overlap.ALL)
    (claim,) = scene.claim(batch_id)
    for _ in range(2):
        assert scene.settle(batch_id, stored(claim)) == []
    assert len(scene.versions(claim.document_id)) == 1
    assert len(scene.events(batch_id, "document.replace")) == 1


def test_the_policy_is_part_of_the_scope(scene: Scene) -> None:
    unfinished = scene.add_batch(overlap=Overlap.MISSING)
    with scene.ledger.write() as session:
        found = batches.find_unfinished(session, scene.scope(overlap=Overlap.MISSING))
        assert found is not None
        assert found.id == unfinished
        assert batches.find_unfinished(session, scene.scope(overlap=Overlap.ALL)) is None
