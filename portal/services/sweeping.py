"""Sweeping: removing folders that were published and can never be recorded.

A worker publishes a document's folder and then records it. One that dies in between, or is
overtaken and dies before it has removed the folder, leaves it behind. Most of that the next claim
removes; the rest (batches that were paused, cancelled or ended, documents another claim has
archived) is removed here.

Why nobody can want a folder that is removed here, not even a worker that was frozen for a day and
wakes up: a folder's name carries the number of its claim, and a result is recorded only while its
number is the document's ``fence``. Claims only ever raise the fence. So a folder with a lower
number can never be recorded. One with the very number of the fence still can, by whoever made that
claim; it is left alone while the lease runs, and afterwards the fence is raised first, under the
lock that recording takes too. Folders that the ledger names are never touched, nor are those of
documents it does not know.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import BatchItem, DataSource, Document, Slice, table_of
from portal.services.named_folders import named_folders
from portal.sync.archive.base import Archive
from portal.sync.archive.names import document_folder

logger = logging.getLogger(__name__)

_SPAN = 20_000
_DOCUMENTS = table_of(Document)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The folder that claim ``number`` of a document would have published."""

    document_id: int
    number: int
    name: str


def sweep_documents(
    ledger: Ledger, archive: Archive, document_ids: Collection[int], *, now: datetime
) -> int:
    """Remove the folders of these documents that nobody can record any more; how many.

    Idempotent; a document that somebody has locked just now is left to the next call.
    """
    with ledger.read() as session:
        folders = _possible(session, document_ids)
    there = archive.present({folder.name for folder in folders})
    present = [folder for folder in folders if folder.name in there]
    if not present:
        return 0
    condemned = ledger.transact(lambda session: _condemn(session, present, now))
    archive.remove(*(folder.name for folder in condemned))
    for folder in condemned:
        logger.info("removed %s: published once and never recorded", folder.name)
    return len(condemned)


def suspects(session: Session, after: int, *, most: int = 500) -> tuple[list[int], int]:
    """Documents behind the id ``after`` of which unrecorded folders may exist, and where to go on.

    A bounded look: a document whose first claim was recorded cannot be among them, nor one that
    was never claimed. To go on at 0 means that all have been looked at.
    """
    last = session.scalar(select(func.max(Document.id))) or 0
    end = after + _SPAN
    found = list(
        session.scalars(
            select(Document.id)
            .where(
                Document.id > after,
                Document.id <= end,
                Document.fence > 0,
                or_(Document.fence > 1, Document.archived_at.is_(None)),
            )
            .order_by(Document.id)
            .limit(most)
        )
    )
    if len(found) == most:
        end = found[-1]
    return found, (end if end < last else 0)


def _possible(session: Session, document_ids: Collection[int]) -> list[_Folder]:
    """The folders of all claims ever made on the documents, those that are named left out."""
    query = (
        select(
            Document.id,
            Document.fence,
            Document.resource,
            Document.image_no,
            Slice.month,
            DataSource.name,
        )
        .join(BatchItem, BatchItem.document_id == Document.id)
        .join(Slice, Slice.id == BatchItem.slice_id)
        .join(DataSource, DataSource.id == Document.data_source_id)
        .where(Document.id.in_(document_ids))
        .distinct()
    )
    named = named_folders(session, document_ids)
    folders = (
        _Folder(
            row.id,
            number,
            document_folder(
                source=row.name,
                month=row.month,
                resource=row.resource,
                image_no=row.image_no,
                fence=number,
            ),
        )
        for row in session.execute(query)
        for number in range(1, row.fence + 1)
    )
    return [folder for folder in folders if folder.name not in named]


def _condemn(session: Session, present: Iterable[_Folder], now: datetime) -> list[_Folder]:
    """Those of the folders that can never be recorded once this transaction has committed."""
    ids = {folder.document_id for folder in present}
    # The lock that claiming, renewing and recording take as well.
    fences = {
        row.id: row.fence
        for row in session.execute(
            select(Document.id, Document.fence)
            .where(Document.id.in_(ids))
            .order_by(Document.id)
            .with_for_update(skip_locked=True)
        )
    }
    moving = set(
        session.scalars(
            select(BatchItem.document_id).where(
                BatchItem.document_id.in_(ids),
                BatchItem.lease_owner.is_not(None),
                BatchItem.next_try_at > now,
            )
        )
    )
    named = named_folders(session, ids)
    condemned = [
        folder
        for folder in present
        if folder.name not in named
        and folder.document_id in fences
        and folder.number <= fences[folder.document_id] - (folder.document_id in moving)
    ]
    overtaken = {
        folder.document_id for folder in condemned if folder.number == fences[folder.document_id]
    }
    if overtaken:
        session.connection().execute(
            update(_DOCUMENTS)
            .where(_DOCUMENTS.c.id.in_(overtaken))
            .values(fence=_DOCUMENTS.c.fence + 1)
        )
    return condemned
