"""A document listed again in the batch that looks at everything: the newest words count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from portal.models import BatchItem, Document, table_of
from portal.statuses import ItemStatus

_ITEMS = table_of(BatchItem)
_DOCUMENTS = table_of(Document)


def redescribe(session: Session, newest: Mapping[int, dict[str, Any] | None]) -> None:
    """Keep the newest description with items that nobody holds.

    The documents get a new fence: whoever had one until its lease was freed has the old files.

    :param newest: by item; None where the document's row says the same
    """
    if not newest:
        return
    query = (
        select(BatchItem.id, BatchItem.document_id, BatchItem.description)
        .join(Document, Document.id == BatchItem.document_id)
        .where(
            BatchItem.id.in_(newest),
            BatchItem.status.in_([ItemStatus.PENDING, ItemStatus.FAILED]),
            BatchItem.lease_owner.is_(None),
        )
        .order_by(BatchItem.id)
        .with_for_update()
    )
    changed = [
        row for row in session.execute(query) if _digest(row.description) != _digest(newest[row.id])
    ]
    if not changed:
        return
    session.execute(
        update(_DOCUMENTS)
        .where(_DOCUMENTS.c.id.in_([row.document_id for row in changed]))
        .values(fence=_DOCUMENTS.c.fence + 1)
    )
    session.connection().execute(
        update(_ITEMS)
        .where(_ITEMS.c.id == bindparam("key"))
        .values(description=bindparam("description")),
        [{"key": row.id, "description": newest[row.id]} for row in changed],
    )


def _digest(description: Mapping[str, Any] | None) -> str | None:
    return None if description is None else str(description["document"]["listing_digest"])
