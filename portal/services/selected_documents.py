"""Going through the selected documents a page at a time, holding nothing meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from zoneinfo import ZoneInfo

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from portal.models import BatchItem, Document, File
from portal.services.selection import Selection, batch_ids

# Opens a view of the ledger.
View = Callable[[], AbstractContextManager[Session]]
_OTHER = aliased(BatchItem)
_Ids = Select[int]
_Number = InstrumentedAttribute[int]


def pages(
    view: View, selection: Selection, *, zone: ZoneInfo, size: int
) -> Iterator[Sequence[int]]:
    """The ids of the selected documents, each once, up to ``size`` at a time.

    Each page is read in a view of its own. What is added meanwhile may be among them or not.

    :raises NotAllowed: for a batch there is not, or a filter that makes no sense
    """
    with view() as session:
        queries = _queries(session, selection, zone)
    for query, number in queries:
        after = 0
        while True:
            page = query.where(number > after).order_by(number).limit(size)
            with view() as session:
                ids = session.scalars(page).all()
            if not ids:
                break
            yield ids
            after = ids[-1]


def count(session: Session, selection: Selection, *, zone: ZoneInfo) -> int:
    """How many of the selected documents are in the archive.

    :raises NotAllowed: as above
    """
    found = 0
    for query, number in _queries(session, selection, zone):
        archived = select(Document.id).where(
            Document.id.in_(query.with_only_columns(number)), Document.archived_at.is_not(None)
        )
        found += session.scalar(select(func.count()).select_from(archived.subquery())) or 0
    return found


def count_files(session: Session, selection: Selection, *, zone: ZoneInfo) -> int:
    """How many files the selected documents have, archived or not.

    :raises NotAllowed: as above
    """
    found = 0
    for query, number in _queries(session, selection, zone):
        files = select(func.count()).where(File.document_id.in_(query.with_only_columns(number)))
        found += session.scalar(files) or 0
    return found


def _queries(session: Session, selection: Selection, zone: ZoneInfo) -> list[tuple[_Ids, _Number]]:
    """One for each batch, or one for all; with the column that orders it."""
    if not selection.batch_nos:
        return [(select(Document.id).where(*selection.of_documents(zone)), Document.id)]
    conditions = selection.of_items(zone)
    queries: list[tuple[_Ids, _Number]] = []
    earlier: list[int] = []
    for batch_id in batch_ids(session, selection.batch_nos):
        query = select(BatchItem.document_id).where(BatchItem.batch_id == batch_id, *conditions)
        if earlier:
            # What one of the batches has brought, another one does not bring again.
            seen = exists().where(
                _OTHER.document_id == BatchItem.document_id, _OTHER.batch_id.in_([*earlier])
            )
            query = query.where(~seen)
        queries.append((query, BatchItem.document_id))
        earlier.append(batch_id)
    return queries
