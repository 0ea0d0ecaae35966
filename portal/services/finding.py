"""Where is it now: 影像编号, 单据编号 or 批次号, exactly or by how it begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from portal.models import Batch, BatchItem, DataSource, Document, Slice
from portal.services.archive_filters import prefixed
from portal.statuses import ItemStatus, ListingStatus, RunStatus

#: Most documents, and most batches, that an answer names.
MOST = 50
#: Passages looked at for those documents; the newest of each matters.
_PASSAGES = 2_000


class Place(StrEnum):
    """Where a document stands."""

    HERE = "here"
    MOVING = "moving"
    RETRYING = "retrying"
    PENDING = "pending"
    HALTED = "halted"
    """Undecided, and its batch does not run: paused, waiting, cancelled or deleted."""
    DECIDED = "decided"
    """As its newest passage says: failed, or whatever else a passage can end with."""
    LISTED = "listed"
    """Known, and in no batch."""


@dataclass(frozen=True, slots=True)
class Found:
    """A document and where it stands; ``item`` and ``batch`` are its newest passage, if any.

    ``stored_by`` is the batch that brought what is in the archive.
    """

    document: Document
    source: str
    place: Place
    item: BatchItem | None
    batch: Batch | None
    stored_by: Batch | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found; ``is_exact`` tells that something is just what was asked for."""

    documents: Sequence[Found]
    batches: Sequence[Batch]
    is_exact: bool
    is_cut: bool
    """Whether there is more than :data:`MOST`."""
    unlisted_months: int
    """Months of running batches whose listing has not ended: it may still turn up there."""


def find(session: Session, text: str) -> Answer:
    """Look for a number: exactly first, and if there is none, by how it begins.

    :param text: not empty
    """
    documents = _documents(session, text, exactly=True)
    batches = _batches(session, text, exactly=True)
    is_exact = bool(documents or batches)
    if not is_exact:
        documents = _documents(session, text, exactly=False)
        batches = _batches(session, text, exactly=False)
    is_cut = max(len(documents), len(batches)) > MOST
    return Answer(
        documents=_placed(session, documents[:MOST]),
        batches=batches[:MOST],
        is_exact=is_exact,
        is_cut=is_cut,
        unlisted_months=0 if documents else _unlisted_months(session),
    )


def _documents(session: Session, text: str, *, exactly: bool) -> list[Document]:
    """By 影像编号, then by 单据编号; one more than :data:`MOST` at most."""
    found: dict[int, Document] = {}
    for column in (Document.image_no, Document.bill_no):
        conditions = [column == text] if exactly else prefixed(column.expression, text)
        query = select(Document).where(*conditions).order_by(column, Document.id)
        for document in session.scalars(query.limit(MOST + 1 - len(found))):
            found[document.id] = document
        if len(found) > MOST:
            break
    return list(found.values())


def _batches(session: Session, text: str, *, exactly: bool) -> Sequence[Batch]:
    number = Batch.batch_no
    matches = number == text if exactly else number.startswith(text, autoescape=True)
    query = select(Batch).options(joinedload(Batch.data_source)).where(Batch.deleted_at.is_(None))
    return session.scalars(query.where(matches).order_by(Batch.id.desc()).limit(MOST + 1)).all()


def _placed(session: Session, documents: Sequence[Document]) -> list[Found]:
    sources = {row.id: row.name for row in session.execute(select(DataSource.id, DataSource.name))}
    passages = _passages(session, [document.id for document in documents])
    found = []
    for document in documents:
        mine = passages[document.id]
        item, batch = mine[0] if mine else (None, None)
        by = [batch for item, batch in mine if item.id == document.archived_by_item_id]
        found.append(
            Found(
                document=document,
                source=sources[document.data_source_id],
                place=_place(document, item, batch),
                item=item,
                batch=batch,
                stored_by=by[0] if by else None,
            )
        )
    return found


def _passages(
    session: Session, document_ids: Sequence[int]
) -> dict[int, list[tuple[BatchItem, Batch]]]:
    """The passages of each document, the newest first."""
    query = (
        select(BatchItem, Batch)
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(BatchItem.document_id.in_(document_ids))
        .order_by(BatchItem.id.desc())
        .limit(_PASSAGES)
    )
    passages: dict[int, list[tuple[BatchItem, Batch]]] = defaultdict(list)
    for item, batch in session.execute(query):
        passages[item.document_id].append((item, batch))
    return passages


def _place(document: Document, item: BatchItem | None, batch: Batch | None) -> Place:
    if document.archived_at is not None:
        return Place.HERE
    if item is None or batch is None:
        return Place.LISTED
    if item.status is not ItemStatus.PENDING:
        return Place.DECIDED
    if batch.run_status is not RunStatus.RUNNING or batch.deleted_at is not None:
        return Place.HALTED
    if item.lease_owner is not None:
        return Place.MOVING
    return Place.RETRYING if item.error_code is not None else Place.PENDING


def _unlisted_months(session: Session) -> int:
    query = (
        select(func.count())
        .select_from(Slice)
        .join(Batch, Batch.id == Slice.batch_id)
        .where(
            Batch.run_status == RunStatus.RUNNING,
            Batch.deleted_at.is_(None),
            Slice.listing_status.in_([ListingStatus.WAITING, ListingStatus.OPEN]),
        )
    )
    return session.scalar(query) or 0
