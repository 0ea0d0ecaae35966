"""The documents behind a number of a reconciliation, as the ledger has them now."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.errors import NotFound
from portal.models import BatchItem, Document, Part, Reconciliation, ReconciliationFinding
from portal.services.archive_side import within
from portal.services.paging import Leaf, Place, read
from portal.services.verification_scope import month_range
from portal.statuses import ItemStatus

#: What may be asked for: all that is archived, what the source lists of it, what was skipped.
SIDES = ("archived", "source", "skipped")
SORTS = {"collected": Document.collected_at, "image_no": Document.image_no}


def documents(
    session: Session,
    run: Reconciliation,
    place: Place,
    *,
    side: str,
    month: str,
    org: str | None,
    kind: str | None,
    zone: ZoneInfo,
) -> Leaf[Document]:
    """Archived documents of a month, or of one cell of it.

    :param side: of :data:`SIDES`
    :raises NotFound: when ``month`` is none
    """
    try:
        span = month_range(month, zone)
    except (ValueError, OverflowError):
        raise NotFound(f"没有月份 {month}", f"there is no month {month}") from None
    query = select(Document).where(*within(run.data_source_id, span))
    if org is not None:
        query = query.where(Document.org_code == org)
    if kind is not None:
        query = query.where(Document.bill_type_code == kind)
    if side == "source":
        elsewhere: Any = select(ReconciliationFinding.id).where(
            ReconciliationFinding.reconciliation_id == run.id,
            ReconciliationFinding.part.in_([Part.GONE, Part.MISPLACED]),
            ReconciliationFinding.document_id == Document.id,
        )
        query = query.where(~exists(elsewhere))
    elif side == "skipped":
        passed = select(BatchItem.id).where(
            BatchItem.document_id == Document.id, BatchItem.status == ItemStatus.SKIPPED
        )
        query = query.where(exists(passed))
    return read(session, query, place, columns=SORTS, row_id=Document.id)
