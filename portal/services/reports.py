"""What a batch looks like from outside: plain values for pages, commands and scripts."""

from __future__ import annotations

from typing import Any

from portal.errors import action, reason
from portal.models import Batch, BatchRun, Slice
from portal.services.standing import Standing
from portal.services.throughput import Pace, seconds_left

_FREE = Standing()
_UNKNOWN = Pace()


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
