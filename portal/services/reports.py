"""What a batch looks like from outside: plain values for pages, commands and scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from portal.errors import action, reason
from portal.models import Batch, BatchItem, BatchRun, Document, Slice
from portal.services.standing import Standing
from portal.services.throughput import Pace, seconds_left
from portal.statuses import ItemStatus

_FREE = Standing()
_UNKNOWN = Pace()


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """错误归类: the failures of one cause, with the parameters and document of one example."""

    code: str
    count: int
    params: dict[str, Any]
    image_no: str
    document_id: int


def batch_report(batch: Batch, standing: Standing = _FREE, pace: Pace = _UNKNOWN) -> dict[str, Any]:
    """One batch with its months, what keeps it back just now, and how fast it moves."""
    return {
        "batch_no": batch.batch_no,
        "source": batch.data_source.name,
        "from": batch.date_from,
        "to": batch.date_to,
        "org": batch.org_codes,
        "type": batch.bill_type_codes,
        "overlap": batch.overlap,
        "priority": batch.priority,
        "run_status": batch.run_status,
        "sync_status": batch.sync_status,
        "paused_by": batch.paused_by,
        "cancelled_by": batch.cancelled_by,
        "counted": all(part.is_counted for part in batch.slices),
        **_counts(batch),
        "holds": [
            {
                "code": hold.code,
                "params": hold.params,
                "reason": reason(hold.code, hold.params, "zh"),
                "action": action(hold.code, hold.params, "zh"),
                "org": hold.org_code,
                "since": hold.since,
                "next_probe": hold.probe_at,
            }
            for hold in standing.holds
        ],
        "level": {
            "rate": standing.level.rate,
            "window": standing.level.window,
            "reason": standing.level.reason,
            "since": standing.limited_since,
        },
        "opens_at": standing.opens_at,
        "pace": {
            "documents_per_second": pace.documents,
            "bytes_per_second": pace.bytes,
            "seconds_left": seconds_left(batch, pace, standing),
        },
        "run_no": batch.run_no,
        "files": batch.stored_files,
        "bytes": batch.stored_bytes,
        "months": [_slice_report(part) for part in batch.slices],
    }


def _slice_report(part: Slice) -> dict[str, Any]:
    return {
        "month": part.month,
        "listing_status": part.listing_status,
        "sync_status": part.sync_status,
        "expected": part.expected_documents,
        **_counts(part),
        "files": part.stored_files,
        "bytes": part.stored_bytes,
        "error_code": part.error_code,
        "error_params": part.error_params,
    }


def _counts(counts: Batch | Slice) -> dict[str, int]:
    return {
        "total": counts.total,
        "done": counts.done,
        "synced": counts.synced,
        "skipped": counts.skipped,
        "failed": counts.failed,
        "pending": counts.pending,
    }


def run_report(run: BatchRun) -> dict[str, Any]:
    """One run of a batch, for scripts."""
    names = (
        *("run_no", "started_at", "started_by", "job_run_id", "job_log_id", "retried", "narrowed"),
        *("ended_at", "ended_by", "outcome", "sync_status", "total", "done", "failed"),
    )
    return {name: getattr(run, name) for name in names}


def failure_groups(session: Session, batch_id: int) -> Sequence[FailureGroup]:
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


def failures(session: Session, batch_id: int) -> Sequence[tuple[str, str]]:
    """Every failed document of a batch as (image_no, error code)."""
    query = (
        select(Document.image_no, BatchItem.error_code)
        .join(Document, Document.id == BatchItem.document_id)
        .where(BatchItem.batch_id == batch_id, BatchItem.status == ItemStatus.FAILED)
        .order_by(BatchItem.id)
    )
    return [(image_no, str(code)) for image_no, code in session.execute(query)]
