"""Overlap ``missing``: a failure of an earlier batch stands until the source says something new."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.models import Batch, BatchItem
from portal.statuses import ItemStatus


@dataclass(frozen=True, slots=True)
class EarlierFailure:
    """How a document's latest passage through another batch failed, under which description."""

    code: str
    params: Mapping[str, Any] | None
    file_id: str | None
    digest: str
    batch_no: str

    @property
    def reason(self) -> str:
        """For the trail."""
        return f"{self.code}（沿用 carried over from {self.batch_no}）"


def earlier_failures(
    session: Session, batch_id: int, document_ids: Collection[int]
) -> Mapping[int, EarlierFailure]:
    """The failures, by document, of those whose latest passage through another batch failed.

    A passage that nothing was decided about, as in a cancelled batch, is the latest one all the
    same: such a document is to be tried. So is one of which it is not known what was tried, and one
    that failed for its data: whether that is in order now, the listing itself says.
    """
    if not document_ids:
        return {}
    latest = (
        select(func.max(BatchItem.id))
        .where(BatchItem.document_id.in_(document_ids), BatchItem.batch_id != batch_id)
        .group_by(BatchItem.document_id)
    )
    query = (
        select(
            BatchItem.document_id,
            BatchItem.error_code,
            BatchItem.error_params,
            BatchItem.failed_file_id,
            BatchItem.tried_digest,
            Batch.batch_no,
        )
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(
            BatchItem.id.in_(latest),
            BatchItem.status == ItemStatus.FAILED,
            BatchItem.error_code.not_like("META\\_%", escape="\\"),
            BatchItem.tried_digest.is_not(None),
        )
    )
    return {
        row.document_id: EarlierFailure(
            code=str(row.error_code),
            params=row.error_params,
            file_id=row.failed_file_id,
            digest=str(row.tried_digest),
            batch_no=row.batch_no,
        )
        for row in session.execute(query)
    }
