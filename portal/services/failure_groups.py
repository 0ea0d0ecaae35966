"""错误归类: the failures of a batch, by their cause and one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from portal.models import BatchItem, Document
from portal.statuses import ItemStatus


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """错误归类: the failures of one cause, with the parameters and document of one example."""

    code: str
    count: int
    params: dict[str, Any]
    image_no: str
    document_id: int


def by_cause(session: Session, batch_id: int) -> Sequence[FailureGroup]:
    """The failures of a batch by cause, the commonest first, in one query.

    Counted from an index that holds failures alone; the example is the first the source named.
    """
    groups = (
        select(
            func.count().label("failures"),
            func.min(BatchItem.document_id).label("example"),
        )
        .where(
            BatchItem.batch_id == batch_id,
            BatchItem.error_code.is_not(None),
            BatchItem.status == ItemStatus.FAILED,
        )
        .group_by(BatchItem.error_code)
        .subquery()
    )
    query = (
        select(
            BatchItem.error_code,
            BatchItem.error_params,
            groups.c.failures,
            Document.image_no,
            Document.id,
        )
        .select_from(groups)
        .join(
            BatchItem,
            and_(BatchItem.batch_id == batch_id, BatchItem.document_id == groups.c.example),
        )
        .join(Document, Document.id == BatchItem.document_id)
        .order_by(groups.c.failures.desc(), BatchItem.error_code)
    )
    return [
        FailureGroup(str(code), count, params or {}, image_no, document_id)
        for code, params, count, image_no, document_id in session.execute(query)
    ]


def codes(session: Session, batch_id: int) -> Sequence[tuple[str, str]]:
    """Every failed document of a batch as (image_no, error code)."""
    query = (
        select(Document.image_no, BatchItem.error_code)
        .join(Document, Document.id == BatchItem.document_id)
        .where(BatchItem.batch_id == batch_id, BatchItem.status == ItemStatus.FAILED)
        .order_by(BatchItem.id)
    )
    return [(image_no, str(code)) for image_no, code in session.execute(query)]
