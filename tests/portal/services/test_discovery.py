from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete

from portal.errors import SyncError
from portal.models import SourceLevel
from portal.services import batches
from portal.services.discovery import (
    LISTING_LEASE,
    MOST_ATTEMPTS,
    MOST_ROUNDS,
    Discovery,
    due_slice,
)
from portal.statuses import ListingStatus, RunStatus, SyncStatus
from portal.sync.sources.rows import SourceDocument
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.ledger_scene import SHANGHAI, Scene


def documents(count: int) -> list[SourceDocument]:
    return [make_document(number) for number in range(count)]


class Crash(Exception):
    """Anything but a SyncError: the process might as well have died."""


def test_a_month_is_listed_page_by_page(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(5))
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    part = scene.slice(batch_id)
    assert source.asked == [1, 2, 3]
    assert (part.listing_status, part.total, part.expected_documents) == (
        ListingStatus.LISTED, 5, 5,
    )  # fmt: skip
    assert (part.lease_owner, part.error_code) == (None, None)
    assert scene.counts(batch_id) == (5, 0, 0, 0)
    (event,) = scene.events(batch_id, "slice.listing")
    assert (event.old, event.new, event.detail) == (
        "open", "listed", {"month": "2024-01", "documents": 5},
    )  # fmt: skip


def test_each_month_lists_only_its_own_documents(scene: Scene) -> None:
    batch_id = scene.add_batch(last="2024-02-29")
    january = make_document(0)
    assert january.collected_at is not None
    february = make_document(1, collected_at=january.collected_at + timedelta(days=31))
    scene.list_all(batch_id, [january, february])
    assert [part.total for part in scene.slices(batch_id)] == [1, 1]


def test_a_source_that_gives_fewer_rows_than_asked_for_is_listed_to_its_end(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(7), page_size=1)
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    assert scene.counts(batch_id)[0] == 7


def test_after_a_crash_it_goes_on_at_the_page(scene: Scene) -> None:
    batch_id = scene.add_batch()
    slice_id = scene.slice(batch_id).id
    source = FakeSource(documents(6))

    def crash(page_no: int) -> None:
        if page_no == 3:
            raise Crash

    source.before_page = crash
    with pytest.raises(Crash):
        scene.discovery(source).list_slice(slice_id)
    assert scene.slice(batch_id).next_page == 3
    source.before_page = lambda _: None
    scene.discovery(source, owner="w2").list_slice(slice_id)
    assert source.asked == [1, 2, 3, 3]
    assert scene.counts(batch_id) == (6, 0, 0, 0)
    assert scene.slice(batch_id).error_code is None


def test_a_month_that_somebody_lists_is_left_alone(scene: Scene) -> None:
    batch_id = scene.add_batch()
    slice_id = scene.slice(batch_id).id
    second = FakeSource(documents(3))
    source = FakeSource(documents(3))

    def list_too(_: int) -> None:
        assert not scene.discovery(second, owner="w2").list_slice(slice_id)

    source.before_page = list_too
    scene.discovery(source).list_slice(slice_id)
    assert second.asked == []
    assert scene.counts(batch_id)[0] == 3


def test_a_lister_whose_lease_ran_out_records_nothing_more(scene: Scene) -> None:
    batch_id = scene.add_batch()
    slice_id = scene.slice(batch_id).id
    slow = FakeSource(documents(3))

    def overtaken(_: int) -> None:
        scene.advance(LISTING_LEASE.total_seconds())
        scene.discovery(FakeSource([]), owner="w2").list_slice(slice_id)

    slow.before_page = overtaken
    scene.discovery(slow).list_slice(slice_id)
    assert slow.asked == [1]
    assert scene.counts(batch_id)[0] == 0
    assert scene.slice(batch_id).listing_status is ListingStatus.LISTED


def test_a_slow_source_is_listed_by_one_worker_to_its_end(scene: Scene) -> None:
    """Every single call takes as long as it may, and somebody else looks every time."""
    batch_id = scene.add_batch()
    slice_id = scene.slice(batch_id).id
    second = FakeSource(documents(6))
    slow = FakeSource(documents(6))

    def wait() -> None:
        scene.advance(300)
        scene.discovery(second, owner="w2").list_slice(slice_id)

    slow.before_count = wait
    slow.before_page = lambda _: wait()
    scene.discovery(slow).list_slice(slice_id)
    assert (slow.asked, second.asked) == ([1, 2, 3], [])
    assert scene.counts(batch_id)[0] == 6


def test_a_pause_stops_the_listing_at_the_page(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(6))

    def pause(page_no: int) -> None:
        if page_no == 2:
            scene.do(batches.pause, batch_id)

    source.before_page = pause
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    assert source.asked == [1, 2]
    part = scene.slice(batch_id)
    assert (part.next_page, part.total, part.lease_owner) == (2, 2, None)
    source.before_page = lambda _: None
    scene.do(batches.resume, batch_id)
    scene.discovery(source).list_slice(part.id)
    assert scene.counts(batch_id)[0] == 6


def test_a_stopping_process_gives_the_month_back(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(6))
    Discovery(
        scene.ledger,
        source,
        owner="w1",
        zone=SHANGHAI,
        stopping=lambda: bool(source.asked),
        clock=scene.clock,
    ).list_slice(scene.slice(batch_id).id)
    assert source.asked == [1]
    with scene.ledger.read() as session:
        assert due_slice(session, batch_id, scene.now) == scene.slice(batch_id).id


def test_a_total_that_changes_once_is_read_again(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(5))

    def grow(_: int) -> None:
        if len(source.asked) == 2:
            source.documents.append(make_document(9))

    source.before_page = grow
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    part = scene.slice(batch_id)
    assert (part.listing_status, part.total, part.error_code) == (ListingStatus.LISTED, 6, None)
    assert part.listing_round > 1


def test_a_total_that_keeps_changing_stands_after_some_rounds_with_a_note(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(5))
    source.before_page = lambda _: source.documents.append(make_document(100 + len(source.asked)))
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    part = scene.slice(batch_id)
    assert (part.listing_status, part.error_code) == (
        ListingStatus.LISTED, "SRC_LISTING_UNSTABLE",
    )  # fmt: skip
    assert part.error_params is not None
    assert part.error_params["rounds"] == MOST_ROUNDS
    assert part.total >= 5


def test_a_count_that_is_not_the_listings_is_noted(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(3))
    source.counted = 7
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    part = scene.slice(batch_id)
    assert (part.listing_status, part.error_code, part.error_params) == (
        ListingStatus.LISTED,
        "SRC_LISTING_UNSTABLE",
        {"rounds": MOST_ROUNDS, "expected": 7, "listed": 3},
    )
    assert source.asked == [1, 2] * MOST_ROUNDS
    assert scene.counts(batch_id) == (3, 0, 0, 0)


def test_the_same_document_on_two_pages_is_one_and_what_it_hid_is_found(scene: Scene) -> None:
    """A document came and another went while it was read: the rows add up and one was missed."""
    batch_id = scene.add_batch()
    source = FakeSource(documents(6))
    source.pages[2] = [make_document(1), make_document(2)]

    def mend(_: int) -> None:
        if len(source.asked) > 3:
            source.pages.clear()

    source.before_page = mend
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    part = scene.slice(batch_id)
    assert (part.total, part.error_code, part.listing_round) == (6, None, 2)


def test_a_document_that_stays_on_two_pages_is_counted_once_and_noted(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource([make_document(0), make_document(1), make_document(1), make_document(2)])
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    part = scene.slice(batch_id)
    assert (part.total, part.listing_status) == (3, ListingStatus.LISTED)
    assert part.error_params == {"rounds": MOST_ROUNDS, "expected": 4, "listed": 3}


def test_a_page_that_repeats_for_ever_fails_the_month(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(100))
    source.pages = {page: documents(2) for page in range(1, 51)}
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    assert source.asked == [1, 2]
    part = scene.slice(batch_id)
    assert (part.listing_status, part.error_code, part.error_params) == (
        ListingStatus.FAILED, "SRC_LISTING_REPEATS", {"page": 2},
    )  # fmt: skip
    assert part.sync_status is SyncStatus.PENDING  # its two documents are still to be moved
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING


def test_pages_that_come_round_in_turn_fail_the_month(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(5000))
    first, second = documents(400)[:200], documents(400)[200:]
    source.pages = {page: second if page % 2 else first for page in range(1, 100)}
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    part = scene.slice(batch_id)
    assert (part.listing_status, part.error_code) == (ListingStatus.FAILED, "SRC_LISTING_REPEATS")
    assert part.total == 400
    assert len(source.asked) < 15


def test_being_throttled_never_fails_a_month(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(3))
    source.before_page = _raise(SyncError("SRC_THROTTLED"))
    for _ in range(3 * MOST_ATTEMPTS):
        scene.discovery(source).list_slice(scene.slice(batch_id).id)
        part = scene.slice(batch_id)
        assert (part.listing_status, part.attempts) == (ListingStatus.OPEN, 0)
        assert part.next_try_at > scene.now + timedelta(seconds=5)
        scene.now = part.next_try_at
        forget_the_level(scene)  # else the pace would have us wait ever longer
    source.before_page = lambda _: None
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    assert scene.slice(batch_id).listing_status is ListingStatus.LISTED


def forget_the_level(scene: Scene) -> None:
    with scene.ledger.write() as session:
        session.execute(delete(SourceLevel))


def test_a_listing_that_failed_fails_the_batch(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource()
    source.before_page = _raise(SyncError("SRC_FORBIDDEN"))
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.listing_failed, batch.sync_status) == (
        RunStatus.ENDED, True, SyncStatus.FAILED,
    )  # fmt: skip


def test_a_transient_error_waits_and_is_forgotten_once_it_is_over(scene: Scene) -> None:
    batch_id = scene.add_batch()
    slice_id = scene.slice(batch_id).id
    source = FakeSource(documents(3))
    source.before_page = _raise(SyncError("SRC_THROTTLED", retry_after=45))
    scene.discovery(source).list_slice(slice_id)
    part = scene.slice(batch_id)
    assert (part.listing_status, part.error_code) == (ListingStatus.OPEN, "SRC_THROTTLED")
    assert part.next_try_at >= scene.now + timedelta(seconds=45)
    source.before_page = lambda _: None
    scene.discovery(source).list_slice(slice_id)
    assert source.asked == [1]
    scene.now = part.next_try_at
    scene.discovery(source).list_slice(slice_id)
    part = scene.slice(batch_id)
    assert (part.listing_status, part.error_code, part.error_params) == (
        ListingStatus.LISTED, None, None,
    )  # fmt: skip
    (event,) = scene.events(batch_id, "slice.listing")
    assert event.reason is None


def test_transient_errors_give_up_in_the_end(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource()
    source.before_page = _raise(SyncError("SRC_TIMEOUT", seconds=60))
    for _ in range(MOST_ATTEMPTS):
        assert scene.slice(batch_id).listing_status is ListingStatus.OPEN
        scene.discovery(source).list_slice(scene.slice(batch_id).id)
        scene.advance(600)
    assert scene.slice(batch_id).listing_status is ListingStatus.FAILED
    assert len(source.asked) == MOST_ATTEMPTS


def _raise(error: SyncError):  # type: ignore[no-untyped-def]
    def before_page(_: int) -> None:
        raise error

    return before_page


def test_a_listing_that_is_replaced_while_it_is_read_begins_anew(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(5))
    source.version = "one"

    def replace_once(page_no: int) -> None:
        if page_no == 2 and source.version == "one":
            source.version = "two"  # as many as before, and yet another list
            source.documents[1] = make_document(9)

    source.before_page = replace_once
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    part = scene.slice(batch_id)
    assert source.asked == [1, 2, 1, 2, 3]
    assert (part.listing_round, part.source_version) == (2, "two")
    # Document 1 was listed by what is no more: the month says that it does not add up.
    assert (part.total, part.source_total) == (6, 5)


def test_a_listing_that_is_replaced_again_and_again_fails(scene: Scene) -> None:
    batch_id = scene.add_batch()
    source = FakeSource(documents(5))

    def replace(page_no: int) -> None:
        source.version = f"{len(source.asked)}"

    source.before_page = replace
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    part = scene.slice(batch_id)
    assert (part.listing_status, part.error_code) == (
        ListingStatus.FAILED, "SRC_LISTING_REPLACED",
    )  # fmt: skip
