"""重新同步失败任务: the failed documents of an ended batch, and its unfinished listings, again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, insert, literal, select, update
from sqlalchemy.orm import Session

from portal import statuses
from portal.errors import BatchRefused
from portal.models import AuditEvent, Batch, BatchItem, Document, Slice, table_of
from portal.services import audit, runs
from portal.services.item_filter import ItemFilter, chosen_items
from portal.services.listed_items import pending_after_listing, pending_again
from portal.services.runs import JobOrigin
from portal.statuses import ItemStatus, ListingStatus, RunStatus

# Only a new listing can show that the source has mended such a document.
_METADATA = BatchItem.error_code.like("META\\_%", escape="\\")
# The source may have replaced such a document after it was listed: what it says of it comes first.
_STALE = BatchItem.error_code.in_(
    [
        "FILE_SIZE_MISMATCH",
        "FILE_DIGEST_MISMATCH",
        "SRC_NOT_FOUND",
        "SRC_FILE_MISSING",
        "SRC_FILE_UNSAFE",
    ]
)


def retry(
    session: Session,
    batch: Batch,
    *,
    by: str,
    now: datetime,
    month: str | None = None,
    code: str | None = None,
    item_ids: Collection[int] | None = None,
    document_ids: Collection[int] | None = None,
    matching: ItemFilter | None = None,
    zone: ZoneInfo | None = None,
    job: JobOrigin | None = None,
) -> int:
    """Send failed documents again, permanent failures included: all of them, or those that every
    given wish names. It is a new run of the same batch.

    Of a month alone its documents and its listing are sent again; what failed in others stays.

    Documents whose own data was wrong are listed again, and those that were not what the listing
    said are listed again and then tried. A listing that failed goes on, one that was short starts
    anew, when all failures or those of its month are sent again; other wishes leave listings be.

    :param month: as in ``2024-01``
    :param code: the error code of one cause
    :param item_ids: the items' own ids; ``document_ids`` are those of their documents
    :param matching: the filter of the batch's list of documents, whose days are meant in ``zone``
    :param job: the run of DataSyncTask that asks, if one does
    :return: how many documents are tried again or listed again
    :raises BatchRefused: when the batch has not ended, was cancelled, has no such month, or
        nothing in it failed
    """
    if batch.run_status is not RunStatus.ENDED:
        raise BatchRefused(batch.batch_no, "尚未结束", "has not ended")
    if batch.cancelled_by:
        raise BatchRefused(batch.batch_no, "已取消", "was cancelled")
    if month is not None and all(part.month != month for part in batch.slices):
        raise BatchRefused(batch.batch_no, f"不含月份 {month}", f"has no month {month}")
    narrowed = _narrowed(month, code, item_ids, document_ids, matching)
    chosen = [BatchItem.batch_id == batch.id, BatchItem.status == ItemStatus.FAILED]
    for wish in (ItemFilter(month=month or "", code=code or ""), matching or ItemFilter()):
        chosen += chosen_items(session, batch, wish, zone=zone or ZoneInfo("UTC"))
    if item_ids is not None:
        chosen.append(BatchItem.id.in_(item_ids))
    if document_ids is not None:
        chosen.append(BatchItem.document_id.in_(document_ids))
    again = _failures_by_slice(session, [*chosen, ~_METADATA])
    metadata = _failures_by_slice(session, [*chosen, _METADATA])
    relisted = {*metadata, *_failures_by_slice(session, [*chosen, _STALE])}
    listings = () if narrowed.keys() - {"month"} else batch.slices
    unlisted = [part for part in listings if _lacks_documents(part) and month in (None, part.month)]
    count = sum(again.values()) + sum(metadata.values())
    if not count and not unlisted:
        raise _nothing_failed(batch, narrowed)
    _record_each(session, "item.relist", [*chosen, _METADATA], new=None, by=by, now=now)
    _send_again(session, batch, again, [*chosen, ~_METADATA], by=by, now=now)
    for part in batch.slices:
        if part in unlisted or part.id in relisted:
            _open_listing(part, now, from_start=part.id in relisted or part.is_short)
    statuses.check(batch.run_status, RunStatus.RUNNING)
    batch.run_status = RunStatus.RUNNING
    batch.run_no += 1
    batch.listing_failed = False
    batch.ended_at = None
    runs.begin(session, batch, by=by, now=now, job=job, retried=count, narrowed=narrowed)
    audit.record(
        session,
        "batch.retry",
        by=by,
        at=now,
        batch_id=batch.id,
        old=RunStatus.ENDED,
        new=RunStatus.RUNNING,
        detail={"documents": count, "listings": len(unlisted)}
        | ({"narrowed": narrowed} if narrowed else {}),
    )
    return count


def send_again(
    session: Session,
    batch: Batch,
    chosen: Collection[ColumnElement[bool]],
    *,
    by: str,
    now: datetime,
) -> int:
    """Send some failed documents again and touch nothing else of their batch; how many.

    A batch that has ended begins a new run with these alone; in any other they join what is
    pending. Documents whose own data was wrong stay failed: only a new listing can mend them.
    """
    failed = [
        BatchItem.batch_id == batch.id,
        BatchItem.status == ItemStatus.FAILED,
        ~_METADATA,
        *chosen,
    ]
    again = _failures_by_slice(session, failed)
    count = sum(again.values())
    if not count:
        return 0
    _send_again(session, batch, again, failed, by=by, now=now)
    if batch.run_status is RunStatus.ENDED:
        statuses.check(batch.run_status, RunStatus.RUNNING)
        batch.run_status = RunStatus.RUNNING
        batch.run_no += 1
        batch.ended_at = None
        runs.begin(session, batch, by=by, now=now, retried=count)
        audit.record(
            session,
            "batch.retry",
            by=by,
            at=now,
            batch_id=batch.id,
            old=RunStatus.ENDED,
            new=RunStatus.RUNNING,
            detail={"documents": count},
        )
    return count


def items_named(session: Session, batch: Batch, image_nos: Collection[str]) -> list[int]:
    """The ids of a batch's documents with these image numbers.

    :raises BatchRefused: naming those that are not in the batch
    """
    query = (
        select(Document.image_no, BatchItem.id)
        .join(BatchItem, BatchItem.document_id == Document.id)
        .where(BatchItem.batch_id == batch.id, Document.image_no.in_(image_nos))
        .order_by(BatchItem.id)
    )
    found = [(image_no, item_id) for image_no, item_id in session.execute(query)]
    if missing := sorted(set(image_nos) - {image_no for image_no, _id in found}):
        names = "，".join(missing)
        raise BatchRefused(batch.batch_no, f"中没有单据 {names}", f"has no document {names}")
    return [item_id for _image_no, item_id in found]


def not_failed(
    session: Session, batch: Batch, item_ids: Collection[int], *, limit: int = 10
) -> list[tuple[str, ItemStatus]]:
    """Image number and status of those among the named documents that a retry passes over."""
    query = (
        select(Document.image_no, BatchItem.status)
        .join(Document, Document.id == BatchItem.document_id)
        .where(
            BatchItem.batch_id == batch.id,
            BatchItem.id.in_(item_ids),
            BatchItem.status != ItemStatus.FAILED,
        )
        .order_by(BatchItem.id)
        .limit(limit)
    )
    return [(image_no, status) for image_no, status in session.execute(query)]


def _narrowed(
    month: str | None,
    code: str | None,
    item_ids: Collection[int] | None,
    document_ids: Collection[int] | None,
    matching: ItemFilter | None,
) -> dict[str, Any]:
    """What was asked for in plain words; nothing when it was all that failed."""
    words: dict[str, Any] = {} if matching is None else dict(matching.words)
    words.pop("status", None)
    words |= {"month": month} if month else {}
    words |= {"code": code} if code else {}
    for ids in (item_ids, document_ids):
        words |= {} if ids is None else {"selected": len(set(ids))}
    return words


def _nothing_failed(batch: Batch, narrowed: dict[str, Any]) -> BatchRefused:
    if narrowed:
        return BatchRefused(
            batch.batch_no, "所选的单据中没有失败的", "has no failure among what was chosen"
        )
    return BatchRefused(batch.batch_no, "没有失败的单据", "has no failed documents")


def _lacks_documents(part: Slice) -> bool:
    return part.listing_status is ListingStatus.FAILED or part.is_short


def _failures_by_slice(session: Session, chosen: list[ColumnElement[bool]]) -> dict[int, int]:
    query = (
        select(BatchItem.slice_id, func.count().label("failures"))
        .where(*chosen)
        .group_by(BatchItem.slice_id)
    )
    return {row.slice_id: row.failures for row in session.execute(query)}


def _send_again(
    session: Session,
    batch: Batch,
    again: dict[int, int],
    chosen: list[ColumnElement[bool]],
    *,
    by: str,
    now: datetime,
) -> None:
    statuses.check(ItemStatus.FAILED, ItemStatus.PENDING)
    _record_each(session, "item.status", chosen, new=ItemStatus.PENDING, by=by, now=now)
    for which, values in ((_STALE, pending_after_listing(now)), (~_STALE, pending_again(now))):
        session.execute(
            update(BatchItem)
            .where(*chosen, which)
            .values(values)
            .execution_options(synchronize_session=False)
        )
    for slice_id, count in again.items():
        session.execute(
            update(Slice).where(Slice.id == slice_id).values(failed=Slice.failed - count)
        )
    batch.failed = Batch.failed - sum(again.values())


def _record_each(
    session: Session,
    action: str,
    chosen: list[ColumnElement[bool]],
    *,
    new: ItemStatus | None,
    by: str,
    now: datetime,
) -> None:
    """Write an event for every item in one statement, however many there are."""
    events = table_of(AuditEvent)
    columns = {
        "at": literal(now, events.c.at.type),
        "actor": literal(by),
        "origin": literal(audit.origin_of(session), events.c.origin.type),
        "action": literal(action),
        "batch_id": BatchItem.batch_id,
        "document_id": BatchItem.document_id,
        "old": literal(ItemStatus.FAILED.value),
        "new": literal(new, events.c.new.type),
    }
    rows = select(*columns.values()).where(*chosen).order_by(BatchItem.id)
    session.execute(insert(events).from_select(list(columns), rows))


def _open_listing(part: Slice, now: datetime, *, from_start: bool) -> None:
    """List a month again, with a new count; else from the cursor of the listing that failed."""
    statuses.check(part.listing_status, ListingStatus.OPEN)
    if from_start:
        part.next_page = 1
        part.listed_rows = 0
        part.listing_round = 1
        part.source_total = None
        part.expected_documents = None
        part.last_page_digest = None
    part.listing_status = ListingStatus.OPEN
    part.attempts = 0
    part.next_try_at = now
    part.error_code = None
    part.error_params = None
