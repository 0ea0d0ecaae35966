"""The documents before and behind one in the list of a batch, under that list's filters."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotFound
from portal.models import BatchItem, Document
from portal.services import browsing, paging
from portal.services.archive_list import Neighbours
from portal.services.item_filter import ItemFilter
from portal.services.item_list import items_page
from portal.services.paging import Place


def neighbours(
    session: Session,
    batch_no: str,
    wanted: ItemFilter,
    document: Document,
    *,
    sort: str,
    descending: bool,
    zone: ZoneInfo,
) -> Neighbours | None:
    """In the order of the list; None where the batch does not hold the document.

    :param sort: one of :data:`portal.services.item_list.SORTS`
    :param zone: where the filter's days are meant
    """
    try:
        batch = browsing.batch_page(session, batch_no)
    except NotFound:
        return None
    held = select(BatchItem.id).where(
        BatchItem.batch_id == batch.id, BatchItem.document_id == document.id
    )
    if session.scalar(held) is None:
        return None
    here = paging.mark(document.id, document.collected_at if sort == "collected" else None)

    def beside(place: Place) -> int | None:
        rows = items_page(session, batch, wanted, place, zone=zone).rows
        return rows[0][1].id if rows else None

    return Neighbours(
        beside(Place(sort, descending, size=1, before=here)),
        beside(Place(sort, descending, size=1, after=here)),
    )
