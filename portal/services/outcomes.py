"""Recording how documents came out: item, archive row, counts and trail in one transaction."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from portal import statuses
from portal.errors import SyncError
from portal.models import Batch, BatchItem, Document, File, Slice, table_of
from portal.services import audit, checked_months, failure_counts, holds, streaks
from portal.services.named_folders import named_folders
from portal.services.rechecks import Verdict, description_of, judge
from portal.services.replacing import Replacement, make_way
from portal.services.settling import end_if_settled
from portal.statuses import ItemStatus
from portal.sync.transfer.retry import delay_before, is_final
from portal.sync.transfer.work import Result

AnyRow = Row[*tuple[Any, ...]]
_ITEMS = table_of(BatchItem)
_DONE = (ItemStatus.SYNCED, ItemStatus.SKIPPED)
_chance = random.SystemRandom()


def settle(
    session: Session, batch_id: int, results: Sequence[Result], *, by: str, now: datetime
) -> list[Result]:
    """Record the results of one group; idempotent.

    :return: published results that were refused, because the claim was overtaken or another
        batch had archived the document: their folders are nobody's
    """
    if any(result.claim.probe_of is not None for result in results):
        # In the order in which a person who lifts the hold locks them.
        session.get_one(Batch, batch_id, with_for_update=True)
    items = _locked_items(session, [result.claim.item_id for result in results])
    changes = _Changes(by=by, now=now)
    refused: list[Result] = []
    tried: list[tuple[str, SyncError | None]] = []
    for result in results:
        item = items[result.claim.item_id]
        if item.status is not ItemStatus.PENDING or item.fence != result.claim.fence:
            if result.files and item.folder != result.claim.folder:
                refused.append(result)
        elif result.error is not None:
            if item.lease_owner is not None:  # else it is recorded or was given back already
                if result.claim.probe_of is None:
                    tried.append((item.org_code, result.error))
                changes.fail(item, result, probed=_probed(session, result, now=now))
        elif item.archived_at is not None and judge(result) is Verdict.KEEP:
            changes.skip(item)
            if result.files:
                refused.append(result)
        else:
            tried.append((item.org_code, None))
            changes.sync(item, result)
        if result.files and result.claim.probe_of is not None:
            holds.lift(session, result.claim.probe_of, by=by, now=now)
    changes.write(session, batch_id)
    streaks.note(session, batch_id, tried, by=by, now=now)
    return _nobodys(session, refused)


def _nobodys(session: Session, refused: Sequence[Result]) -> list[Result]:
    """Those whose folder the ledger does not name: a result that was recorded, and is brought once
    more because that answer got lost, may be an earlier version by now."""
    if not refused:
        return []
    named = named_folders(session, [result.claim.document_id for result in refused])
    return [result for result in refused if result.claim.folder not in named]


def _probed(session: Session, result: Result, *, now: datetime) -> bool:
    """Whether the document only showed that the cause of its hold is not healed."""
    if result.claim.probe_of is None or result.error is None:
        return False
    return holds.probe_failed(session, result.claim.probe_of, result.error, now=now)


def record_skips(session: Session, item_ids: Collection[int], *, by: str, now: datetime) -> None:
    """Mark pending items whose document is archived already."""
    changes = _Changes(by=by, now=now)
    items = _locked_items(session, item_ids).values() if item_ids else ()
    for item in items:
        changes.skip(item)
        batch_id = item.batch_id
    if items:
        changes.write(session, batch_id)


def record_failures(
    session: Session,
    item_ids: Collection[int],
    code: str,
    params: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
) -> None:
    """Mark pending items as failed for good."""
    changes = _Changes(by=by, now=now)
    items = _locked_items(session, item_ids).values() if item_ids else ()
    for item in items:
        changes.end_failed(item, code, params, None)
        batch_id = item.batch_id
    if items:
        changes.write(session, batch_id)


def _locked_items(session: Session, item_ids: Collection[int]) -> dict[int, AnyRow]:
    query = (
        select(
            BatchItem.id,
            BatchItem.batch_id,
            BatchItem.slice_id,
            BatchItem.document_id,
            BatchItem.status,
            BatchItem.attempts,
            BatchItem.lease_owner,
            Document.org_code,
            Document.fence,
            Document.archived_at,
            Document.folder,
            Document.listing_digest,
            Document.described_at,
            BatchItem.description,
        )
        .join(Document, Document.id == BatchItem.document_id)
        .where(BatchItem.id.in_(item_ids))
        .order_by(BatchItem.id)
        .with_for_update()
    )
    return {row.id: row for row in session.execute(query)}


class _Changes:
    """The rows of one group, collected first and then written in a few statements."""

    def __init__(self, *, by: str, now: datetime) -> None:
        self._by = by
        self._now = now
        self._items: list[dict[str, Any]] = []
        self._documents: list[dict[str, Any]] = []
        self._files: list[dict[str, Any]] = []
        self._replacements: list[Replacement] = []
        self._damaged: list[dict[str, Any]] = []
        self._archived_in: set[int] = set()
        self._damaged_in: set[int] = set()
        self._events: list[dict[str, Any]] = []
        self._counts: dict[int, Counter[str]] = defaultdict(Counter)
        self._failures: Counter[str] = Counter()

    def sync(self, item: AnyRow, result: Result) -> None:
        self._end(item, ItemStatus.SYNCED)
        self._items[-1]["attempts"] += 1
        self._replace(item, result)
        self._archived_in.add(item.slice_id)
        self._documents.append(
            {
                "key": item.document_id,
                "folder": result.claim.folder,
                "archived_at": self._now,
                "archived_by_item_id": item.id,
                "stored_files": len(result.files),
                "stored_bytes": sum(file.size for file in result.files),
            }
        )
        counts = self._counts[item.slice_id]
        for file in result.files:
            counts["stored_files"] += 1
            counts["stored_bytes"] += file.size
            self._files.append(
                {
                    "document_key": item.document_id,
                    "file_key": file.file_id,
                    "storage_key": file.storage_key,
                    "size": file.size,
                    "sha256": file.sha256,
                    "kind": file.kind,
                    "pages": file.pages,
                    "width": file.width,
                    "height": file.height,
                    "dpi": file.dpi,
                    "stored_at": self._now,
                }
            )

    def _replace(self, item: AnyRow, result: Result) -> None:
        """Have what is in force make way, and the row say what the source said of these files."""
        description = description_of(item)
        if item.archived_at is None and description is None:
            return
        self._replacements.append(
            Replacement(
                document_id=item.document_id,
                batch_id=item.batch_id,
                item_id=item.id,
                old_folder=item.folder if item.archived_at is not None else None,
                new_folder=result.claim.folder,
                why=judge(result),
                description=description,
            )
        )

    def _note_damage(self, item: AnyRow, result: Result) -> None:
        """A copy that is not sound and could not be fetched anew stays; the trail tells of it."""
        if result.damage is not None:
            event = {"at": self._now, "actor": self._by, "action": "document.damaged"}
            ids = {"batch_id": item.batch_id, "document_id": item.document_id}
            self._damaged.append(event | ids | {"reason": result.damage})
            self._damaged_in.add(item.slice_id)

    def skip(self, item: AnyRow) -> None:
        self._end(item, ItemStatus.SKIPPED)

    def fail(self, item: AnyRow, result: Result, *, probed: bool) -> None:
        """End the item, or keep it pending with a later try when that may help.

        One that was tried for a hold only, and failed for what holds it, is always kept, and the
        try is not counted: however long the cause lasts there is something left to probe with.
        """
        error = result.error
        assert error is not None  # noqa: S101 - the caller looked
        attempt = item.attempts + 1
        if is_final(attempt, error) and not probed:
            self.end_failed(item, error.code, error.params, result.failed_file_id)
            self._note_damage(item, result)
            return
        delay = timedelta() if probed else delay_before(attempt, error, _chance)
        self._items.append(
            self._item(item, ItemStatus.PENDING, error.code, error.params, result.failed_file_id)
            | {
                "next_try_at": self._now + delay,
                "finished_at": None,
                "attempts": item.attempts if probed else attempt,
            }
        )

    def end_failed(
        self, item: AnyRow, code: str, params: Mapping[str, Any], file_id: str | None
    ) -> None:
        self._end(item, ItemStatus.FAILED, code, params, file_id)
        self._failures[code] += 1
        self._items[-1]["attempts"] += 1

    def write(self, session: Session, batch_id: int) -> None:
        make_way(session, self._replacements, by=self._by, now=self._now)
        connection = session.connection()
        for table, where, rows in (
            (_ITEMS, {"id": "key"}, self._items),
            (table_of(Document), {"id": "key"}, self._documents),
            (table_of(File), {"document_id": "document_key", "file_id": "file_key"}, self._files),
        ):
            if rows:
                matches = [table.c[column] == bindparam(name) for column, name in where.items()]
                columns: dict[str, Any] = {
                    name: bindparam(name) for name in rows[0] if name not in where.values()
                }
                connection.execute(update(table).where(*matches).values(columns), rows)
        audit.record_items(session, self._events)
        audit.record_items(session, self._damaged)
        self._count(session, batch_id)
        failure_counts.add(session, batch_id, self._failures)
        # Behind the months' counts: who ticks a month locks these, so that one sees the other.
        for slices, why in ((self._archived_in, "archived"), (self._damaged_in, "damage")):
            checked_months.withdraw_of(session, slices, why, by=self._by, now=self._now)
        if self._counts:
            end_if_settled(session, batch_id, by=self._by, now=self._now)

    def _end(
        self,
        item: AnyRow,
        status: ItemStatus,
        code: str | None = None,
        params: Mapping[str, Any] | None = None,
        file_id: str | None = None,
    ) -> None:
        statuses.check(item.status, status)
        self._items.append(
            self._item(item, status, code, params, file_id)
            | {"next_try_at": self._now, "finished_at": self._now}
        )
        self._counts[item.slice_id][status] += 1
        self._events.append(
            audit.item_event(
                by=self._by,
                at=self._now,
                batch_id=item.batch_id,
                document_id=item.document_id,
                old=item.status,
                new=status,
                reason=code,
            )
        )

    def _item(
        self,
        item: AnyRow,
        status: ItemStatus,
        code: str | None,
        params: Mapping[str, Any] | None,
        file_id: str | None,
    ) -> dict[str, Any]:
        return {
            "key": item.id,
            "status": status,
            "attempts": item.attempts,
            "losses": 0,
            "lease_owner": None,
            "error_code": code,
            "error_params": None if params is None else dict(params),
            "failed_file_id": file_id,
            "tried_digest": _tried(item) if status is ItemStatus.FAILED else None,
            "description": None if status in _DONE else item.description,
        }

    def _count(self, session: Session, batch_id: int) -> None:
        whole: Counter[str] = Counter()
        for slice_id, counts in sorted(self._counts.items()):
            whole.update(counts)
            _add(session, Slice, slice_id, counts)
        if whole:
            _add(session, Batch, batch_id, whole)


def _tried(item: AnyRow) -> str:
    """The listing digest of what was to be fetched."""
    description = description_of(item)
    return str(item.listing_digest if description is None else description.digest)


def _add(
    session: Session, model: type[Slice] | type[Batch], row_id: int, counts: Counter[str]
) -> None:
    table = table_of(model)
    session.connection().execute(
        update(table)
        .where(table.c.id == row_id)
        .values({name: table.c[name] + number for name, number in counts.items()})
    )
