"""Claiming due documents by compare-and-set, with a lease and a fencing token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Row,
    Select,
    bindparam,
    exists,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from portal.models import (
    Batch,
    BatchItem,
    DataSource,
    Document,
    File,
    Hold,
    Overlap,
    Slice,
    table_of,
)
from portal.models.base import BigId, UtcDateTime
from portal.services import holds, wanting
from portal.services.leases import DEFERRED, LEASE
from portal.services.outcomes import record_failures, record_skips
from portal.services.rechecks import (
    described_files,
    description_of,
    rechecks,
    without_kept_folders,
)
from portal.statuses import ItemStatus, RunStatus
from portal.sync.archive.names import document_folder
from portal.sync.sources.rows import SourceFile
from portal.sync.transfer.work import Claim, Recheck

AnyRow = Row[*tuple[Any, ...]]
# Claims in a row that ended with the death of their worker: from then on one is moved alone, so
# that a document which kills workers takes no other with it; and from then on it is given up.
MOST_LOSSES_TOGETHER, MOST_LOSSES = 5, 8
_MANY = 500
_BATCH_ID, _NOW = bindparam("batch", type_=BigId), bindparam("now", type_=UtcDateTime)
_MOST_ROUNDS = 20
_ITEMS = table_of(BatchItem)
_DOCUMENTS = table_of(Document)
_FILES = table_of(File)


@dataclass(frozen=True, slots=True)
class _Wishes:
    """The unfinished 文件下载, and whether nothing but what they want may be claimed."""

    chores: Sequence[int]
    only: bool


def claim(
    session: Session,
    batch_id: int,
    *,
    owner: str,
    limit: int,
    now: datetime,
    alone_too: bool = True,
    wanted_only: bool = False,
) -> list[Claim]:
    """Lease up to ``limit`` due documents of a running batch; those that 文件下载 wants come first.

    Every claim raises the document's fence, so that anything an earlier claim still tries to
    record is refused. A document that meanwhile was archived by another batch becomes skipped,
    unless the batch is to look at archived ones again.
    One under which workers died again and again is claimed alone, and at last becomes failed.
    Of what is held only a probe is claimed, when one is due.

    :param alone_too: whether a document may be claimed alone
    :param wanted_only: claim nothing else, also while the batch waits
    """
    batch = session.get_one(Batch, batch_id)
    if batch.run_status is RunStatus.ENDED or batch.deleted_at is not None:
        return []
    if batch.run_status is RunStatus.WAITING and not wanted_only:
        return []
    wishes = _Wishes(wanting.unfinished(session), only=wanted_only)
    # Locked against being lifted: what is deferred below is woken by that.
    held = [*holds.of_batch(session, batch, lock=True)]
    if any(hold.batch_id is None for hold in held):
        return []
    for hold in [*held]:
        if holds.take_probe(session, hold, now=now):
            probe = _probe_of(session, batch, hold, wishes, now)
            if probe:
                return _claims(session, batch, probe, owner, now, probe_of=hold.id)
            if wanted_only:
                continue  # nothing of it is wanted: who moves the others tries it again
            # Nothing is left to try it with: the work itself shows whether it is healed.
            holds.try_without(session, hold.id, now=now)
            held.remove(hold)
    if any(hold.org_code is None for hold in held):
        return []
    held_orgs = {str(hold.org_code) for hold in held}
    taken: Sequence[AnyRow] = ()
    rows = _due(session, batch_id, limit, now, wishes, alone_too=alone_too)
    for _ in range(_MOST_ROUNDS):
        taken = _decide(session, rows, batch.overlap, held_orgs, owner=owner, now=now)[:limit]
        if taken or not rows:
            break
        # Nothing but what another batch has archived, or what is held: go through it quickly.
        rows = _due(session, batch_id, _MANY, now, wishes, alone_too=alone_too)
    alone = [row for row in taken if row.losses >= MOST_LOSSES_TOGETHER][:1]
    return _claims(session, batch, alone or taken, owner, now, is_alone=bool(alone))


def _claims(
    session: Session,
    batch: Batch,
    rows: Sequence[AnyRow],
    owner: str,
    now: datetime,
    *,
    probe_of: int | None = None,
    is_alone: bool = False,
) -> list[Claim]:
    if not rows:
        return []
    _lease(session, rows, owner, now)
    files = _files(session, [row.document_id for row in rows])
    source = session.get_one(DataSource, batch.data_source_id).name
    again = rechecks(session, rows)
    months = _months(session, rows)
    return [
        replace(
            _claim(
                row,
                source,
                months[row.slice_id],
                files[row.document_id],
                again.get(row.document_id),
            ),
            probe_of=probe_of,
            is_alone=is_alone,
        )
        for row in rows
    ]


def _decide(
    session: Session,
    rows: Sequence[AnyRow],
    overlap: Overlap,
    held_orgs: Collection[str],
    *,
    owner: str,
    now: datetime,
) -> Sequence[AnyRow]:
    """Settle what needs no transfer, defer what is held; the rest."""
    skips = overlap is not Overlap.ALL
    archived = [row.id for row in rows if skips and row.archived_at is not None]
    worn_out = [row.id for row in rows if row.id not in archived and row.losses >= MOST_LOSSES]
    record_skips(session, archived, by=owner, now=now)
    record_failures(session, worn_out, "INTERNAL", {"detail": "worker lost"}, by=owner, now=now)
    decided = {*archived, *worn_out}
    held = [row.id for row in rows if row.org_code in held_orgs and row.id not in decided]
    session.connection().execute(
        update(_ITEMS).where(_ITEMS.c.id.in_(held)).values(next_try_at=DEFERRED)
    )
    decided.update(held)
    return [row for row in rows if row.id not in decided]


def _probe_of(
    session: Session, batch: Batch, hold: Hold, wishes: _Wishes, now: datetime
) -> Sequence[AnyRow]:
    """One document that the hold holds, and not the same one again and again."""
    is_free = or_(BatchItem.lease_owner.is_(None), BatchItem.next_try_at <= now)
    query = _pending(batch.id).where(is_free, ~_is_held_elsewhere(now))
    if wishes.only:
        query = query.where(BatchItem.wanted_by.in_(wishes.chores))
    if batch.overlap is not Overlap.ALL:
        query = query.where(Document.archived_at.is_(None))
    if hold.org_code is None:
        query = query.order_by(BatchItem.next_try_at, BatchItem.id)
    else:
        # Those that are deferred come first.
        query = query.where(Document.org_code == hold.org_code)
        query = query.order_by(BatchItem.next_try_at.desc(), BatchItem.id)
    return session.execute(query.limit(1)).all()


def _pending(batch_id: int | BindParameter[int]) -> Select[*tuple[Any, ...]]:
    """Pending documents of a batch, locked.

    Joined with nothing else: MariaDB locks every row it reads here, and a month that somebody is
    counting up would have all its documents passed over.
    """
    return (
        select(
            BatchItem.id,
            BatchItem.document_id,
            BatchItem.attempts,
            BatchItem.losses,
            BatchItem.slice_id,
            Document.fence,
            Document.resource,
            Document.image_no,
            Document.org_code,
            Document.archived_at,
            Document.folder,
            Document.listing_digest,
            Document.described_at,
            BatchItem.description,
        )
        .join(Document, Document.id == BatchItem.document_id)
        .where(
            BatchItem.batch_id == batch_id,
            BatchItem.status == ItemStatus.PENDING,
        )
        .with_for_update(skip_locked=True)
    )


def _is_held_elsewhere(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Whether another batch is moving the item's document just now."""
    other = aliased(BatchItem)
    return exists().where(
        other.document_id == BatchItem.document_id,
        other.id != BatchItem.id,
        other.lease_owner.is_not(None),
        other.next_try_at > now,
    )


@cache
def _due_query(*, alone_too: bool) -> Select[*tuple[Any, ...]]:
    """Built once: to build it takes longer than to ask a small ledger."""
    query = (
        _pending(_BATCH_ID)
        .where(BatchItem.next_try_at <= _NOW, ~_is_held_elsewhere(_NOW))
        .order_by(BatchItem.next_try_at, BatchItem.id)
        .limit(bindparam("most"))
    )
    return query if alone_too else query.where(BatchItem.losses < MOST_LOSSES_TOGETHER)


def _due(
    session: Session,
    batch_id: int,
    limit: int,
    now: datetime,
    wishes: _Wishes,
    *,
    alone_too: bool,
) -> Sequence[AnyRow]:
    query = _due_query(alone_too=alone_too)
    given = {_BATCH_ID.key: batch_id, _NOW.key: now, "most": limit}
    if wishes.chores:
        wanted = query.where(*wanting.wanted_in(batch_id, wishes.chores))
        if rows := session.execute(wanted, given).all():
            return rows
    return () if wishes.only else session.execute(query, given).all()


def _lease(session: Session, rows: Sequence[AnyRow], owner: str, now: datetime) -> None:
    connection = session.connection()
    connection.execute(
        update(_DOCUMENTS)
        .where(_DOCUMENTS.c.id.in_([row.document_id for row in rows]))
        .values(fence=_DOCUMENTS.c.fence + 1)
    )
    connection.execute(
        update(_ITEMS)
        .where(_ITEMS.c.id.in_([row.id for row in rows]))
        .values(lease_owner=owner, next_try_at=now + LEASE, losses=_ITEMS.c.losses + 1)
    )


def _files(session: Session, document_ids: Sequence[int]) -> dict[int, list[SourceFile]]:
    query = (
        select(
            _FILES.c.document_id,
            _FILES.c.file_id,
            _FILES.c.category,
            _FILES.c.seq,
            _FILES.c.name,
            _FILES.c.suffix,
            _FILES.c.declared_size,
            _FILES.c.declared_sha256,
            _FILES.c.declared_md5,
            _FILES.c.declared_pages,
            _FILES.c.download_url,
        )
        .where(_FILES.c.document_id.in_(document_ids))
        .order_by(_FILES.c.seq, _FILES.c.id)
    )
    files: dict[int, list[SourceFile]] = defaultdict(list)
    for document_id, *described in session.connection().execute(query):
        files[document_id].append(SourceFile(*described))
    return files


def _months(session: Session, rows: Sequence[AnyRow]) -> dict[int, str]:
    query = select(Slice.id, Slice.month).where(Slice.id.in_({row.slice_id for row in rows}))
    return {row.id: row.month for row in session.execute(query)}


def _claim(
    row: AnyRow, source: str, month: str, files: list[SourceFile], recheck: Recheck | None
) -> Claim:
    def folder(fence: int) -> str:
        return document_folder(
            source=source,
            month=month,
            resource=row.resource,
            image_no=row.image_no,
            fence=fence,
        )

    fence = row.fence + 1
    description = description_of(row)
    return Claim(
        item_id=row.id,
        document_id=row.document_id,
        fence=fence,
        attempt=row.attempts + 1,
        folder=folder(fence),
        files=tuple(described_files(description) if description else files),
        leftovers=without_kept_folders([folder(earlier) for earlier in range(1, fence)], recheck),
        recheck=recheck,
    )


def renew(
    session: Session, claims: Sequence[Claim], *, owner: str, now: datetime
) -> frozenset[int]:
    """Renew leases; the ids of items that are no longer the owner's.

    A lease that ran out while nobody else took the document is the owner's still.
    """
    ours = _still_held(session, claims, owner)
    session.connection().execute(
        update(_ITEMS).where(_ITEMS.c.id.in_(ours)).values(next_try_at=now + LEASE)
    )
    return frozenset(claim.item_id for claim in claims) - frozenset(ours)


def release(session: Session, claims: Sequence[Claim], *, owner: str, now: datetime) -> None:
    """Give claims back untried: due at once, and not counted as an attempt."""
    session.connection().execute(
        update(_ITEMS)
        .where(_ITEMS.c.id.in_(_still_held(session, claims, owner)))
        .values(lease_owner=None, next_try_at=now, losses=0)
    )


def _still_held(session: Session, claims: Sequence[Claim], owner: str) -> list[int]:
    fences = {claim.item_id: claim.fence for claim in claims}
    query = (
        select(BatchItem.id, Document.fence)
        .join(Document, Document.id == BatchItem.document_id)
        .where(
            BatchItem.id.in_(fences),
            BatchItem.status == ItemStatus.PENDING,
            BatchItem.lease_owner == owner,
        )
        .order_by(BatchItem.id)
        .with_for_update()
    )
    return [row.id for row in session.execute(query) if row.fence == fences[row.id]]
