"""What 核对 has found of documents that are archived, and nothing has put right since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from portal.models import (
    BatchItem,
    Document,
    File,
    Slice,
    Verification,
    VerificationFinding,
    VerificationKind,
    VerificationState,
)

# A later verification of everything, or of the whole month, did not find it again, or its own
# finding counts.
_LOOKED_AT_AGAIN = exists().where(
    Verification.state == VerificationState.ENDED,
    Verification.started_at > VerificationFinding.found_at,
    Verification.part_no.is_(None),
    or_(
        Verification.kind == VerificationKind.ALL,
        and_(Verification.kind == VerificationKind.MONTH, Verification.month == Slice.month),
    ),
)
# Of an earlier version a finding says nothing about the one in force.
_IN_FORCE = or_(
    VerificationFinding.storage_key == Document.folder,
    exists().where(
        File.document_id == Document.id, File.storage_key == VerificationFinding.storage_key
    ),
)


def damaged_by_slice(session: Session, slice_ids: Sequence[int]) -> Mapping[int, int]:
    """How many documents of each month of a batch are known to be damaged or missing, if any.

    It goes by the findings, which are few, and reads no file.
    """
    query = (
        select(BatchItem.slice_id, func.count(BatchItem.document_id.distinct()))
        .join(VerificationFinding, VerificationFinding.document_id == BatchItem.document_id)
        .join(Document, Document.id == BatchItem.document_id)
        .join(Slice, Slice.id == BatchItem.slice_id)
        .where(
            BatchItem.slice_id.in_(slice_ids),
            VerificationFinding.code.in_(["ARCHIVE_DAMAGED", "ARCHIVE_MISSING"]),
            VerificationFinding.found_at > Document.archived_at,
            _IN_FORCE,
            ~_LOOKED_AT_AGAIN,
        )
        .group_by(BatchItem.slice_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}
