"""Documents, bytes, failures and months, by what the batches carry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from executor.exposition import Family, Sample
from portal.models import Batch, Slice
from portal.services import failure_counts
from portal.statuses import ListingStatus, RunStatus

_OUTCOMES = ("synced", "skipped", "failed")


def figures(session: Session, now: datetime) -> Iterator[Family]:
    """Batches, documents, bytes, failures, months to be listed."""
    yield from _documents(session)
    yield from _failures(session)
    yield from _listing(session, now)


def _documents(session: Session) -> Iterator[Family]:
    """From the counts that batches carry."""
    deleted = Batch.deleted_at.is_not(None)
    sums = [
        func.coalesce(func.sum(getattr(Batch, name)), 0)
        for name in (*_OUTCOMES, "total", "stored_files", "stored_bytes")
    ]
    query = select(Batch.run_status, deleted, func.count(), *sums).group_by(
        Batch.run_status, deleted
    )
    rows = {
        (status.value, bool(gone)): [int(number) for number in numbers]
        for status, gone, *numbers in session.execute(query)
    }
    states: dict[str, list[int]] = {
        **{status.value: [0] * 7 for status in RunStatus},
        "deleted": [0] * 7,
    }
    for (status, gone), numbers in rows.items():
        state = "deleted" if gone else status
        states[state] = [one + more for one, more in zip(states[state], numbers, strict=True)]
    documents: list[Sample] = []
    for state, (_, *outcomes, total, _files, _size) in states.items():
        counted = dict(zip(_OUTCOMES, outcomes, strict=True))
        counted["pending"] = total - sum(outcomes)
        documents += [
            ({"state": state, "outcome": outcome}, number) for outcome, number in counted.items()
        ]
    yield Family(
        "imgmig_batches",
        "Batches by state.",
        [({"state": state}, numbers[0]) for state, numbers in states.items()],
    )
    yield Family("imgmig_documents", "Documents by state of their batch and outcome.", documents)
    yield Family(
        "imgmig_stored_files",
        "Files put into the archive, by state of their batch.",
        [({"state": state}, numbers[5]) for state, numbers in states.items()],
    )
    yield Family(
        "imgmig_stored_bytes",
        "Bytes put into the archive, by state of their batch.",
        [({"state": state}, numbers[6]) for state, numbers in states.items()],
    )


def _failures(session: Session) -> Iterator[Family]:
    yield Family(
        "imgmig_document_failures_total",
        "Documents recorded as failed, by error code; one that fails again counts again.",
        [({"code": code}, number) for code, number in failure_counts.by_code(session).items()],
        type="counter",
    )


def _listing(session: Session, now: datetime) -> Iterator[Family]:
    """Months whose listing has not ended, of batches that have not."""
    listed_now = (Slice.lease_owner.is_not(None)) & (Slice.next_try_at > now)
    query = (
        select(func.count(), func.coalesce(func.sum(case((listed_now, 1), else_=0)), 0))
        .join(Batch, Batch.id == Slice.batch_id)
        .where(
            Batch.run_status.in_([RunStatus.WAITING, RunStatus.RUNNING]),
            Batch.deleted_at.is_(None),
            Slice.listing_status.in_([ListingStatus.WAITING, ListingStatus.OPEN]),
        )
    )
    number, running = (int(one) for one in session.execute(query).one())
    yield Family(
        "imgmig_slices",
        "Months of open batches that wait to be listed, or are being listed.",
        [({"state": "waiting"}, number - running), ({"state": "running"}, running)],
    )
