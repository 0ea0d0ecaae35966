"""推送核对: asking a target for every document that was pushed to it, and blaming what it misses.

What is missing becomes a failed push with its reason, and so appears where failures do, to be
pushed again from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import Batch, BatchItem, Document, Push, PushTarget
from portal.services import audit, push_reports, pushes
from portal.statuses import PushStatus
from portal.sync.targets.base import Seen, Target

CHORE, TEST = "push_check", "target_check"
#: So many documents of each sort a page shows.
SHOWN = 50
_PAGE = 200
_PAUSES, _LONGEST_PAUSE = (0.5, 1.0, 2.0, 4.0), 30.0
_THERE = (PushStatus.PUSHED, PushStatus.CONFIRMED)


@dataclass(slots=True)
class PushCheck:
    """What was found: documents asked for, those the target does not know, those it knows as
    another type, and those of the scope that were not pushed yet or failed before.
    """

    looked_at: int = 0
    missing: list[dict[str, str]] = field(default_factory=list)
    different: list[dict[str, str]] = field(default_factory=list)
    waiting: int = 0
    failed: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether everything is at the target."""
        return not (self.missing or self.different or self.waiting or self.failed)

    def as_json(self, most: int | None = None) -> dict[str, Any]:
        """For scripts, and as a chore keeps it with its first examples only."""
        return {
            "looked_at": self.looked_at,
            "missing": len(self.missing),
            "different": len(self.different),
            "waiting": self.waiting,
            "failed": self.failed,
            "missing_documents": self.missing[:most],
            "different_documents": self.different[:most],
        }


def subject_of(target_id: int) -> str:
    """How the chores of a target's checks are told from others."""
    return f"target:{target_id}"


def check(
    ledger: Ledger,
    target: Target,
    row: PushTarget,
    *,
    batch: Batch | None,
    by: str,
    clock: Callable[[], datetime],
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
    wait: Callable[[float], None] = time.sleep,
) -> PushCheck:
    """Ask for every pushed document of the target, or of one batch.

    :param on_step: hears how many of how many have been asked for
    :param wait: sleeps that many seconds, before a question that failed is asked again
    :raises SyncError: when the target cannot be asked; what was found until then is written down
    """
    found = PushCheck()
    with ledger.read() as session:
        total = session.scalar(_pushed(row.id, batch, func.count())) or 0
    with ThreadPoolExecutor(row.concurrency_cap, thread_name_prefix="push-check") as threads:
        for page in _pages(ledger, row.id, batch):
            asked = threads.map(
                lambda one: _seen(target, one[1], row.resource_of(one[2]), wait), page
            )
            for (push_id, image_no, resource, kind), seen in zip(page, asked, strict=True):
                found.looked_at += 1
                named = {"image_no": image_no, "resource": row.resource_of(resource)}
                if seen is None:
                    if _miss(ledger, push_id, by, clock()):
                        found.missing.append(named)
                elif seen.bill_type_code and seen.bill_type_code != kind:
                    found.different.append(named | {"type": seen.bill_type_code})
            on_step(found.looked_at, max(total, found.looked_at))
    with ledger.write() as session:
        _count_others(session, found, row, batch)
        detail = {"documents": found.looked_at, "failed": len(found.missing)}
        batch_id = batch.id if batch is not None else None
        audit.record(
            session,
            "push.check",
            by=by,
            at=clock(),
            batch_id=batch_id,
            new=row.name[:40],
            detail=detail,
        )
    return found


def _seen(
    target: Target, image_no: str, resource: str, wait: Callable[[float], None]
) -> Seen | None:
    """None when the target does not know it; what may pass is tried some times."""
    for pause in (*_PAUSES, None):
        try:
            return target.look_up(image_no, resource)
        except SyncError as error:
            if error.code == "TGT_NOT_FOUND":
                return None
            if error.permanent or pause is None:
                raise
            wait(min(max(pause, error.retry_after or 0.0), _LONGEST_PAUSE))
    raise AssertionError  # pragma: no cover - the last try returns or raises


def _miss(ledger: Ledger, push_id: int, by: str, now: datetime) -> bool:
    return ledger.transact(lambda session: pushes.miss(session, push_id, by=by, now=now))


def _pages(
    ledger: Ledger, target_id: int, batch: Batch | None
) -> Iterator[Sequence[tuple[int, str, str, str]]]:
    last = 0
    while True:
        query = (
            _pushed(
                target_id,
                batch,
                Push.id,
                Document.image_no,
                Document.resource,
                Document.bill_type_code,
            )
            .where(Push.id > last)
            .order_by(Push.id)
            .limit(_PAGE)
        )
        with ledger.read() as session:
            page = [tuple(row) for row in session.execute(query)]
        if not page:
            return
        yield page
        last = page[-1][0]


def _pushed(target_id: int, batch: Batch | None, *columns: Any) -> Any:
    query = (
        select(*columns)
        .select_from(Push)
        .join(Document, Document.id == Push.document_id)
        .where(Push.target_id == target_id, Push.status.in_(_THERE))
    )
    if batch is None:
        return query
    return query.join(BatchItem, BatchItem.document_id == Push.document_id).where(
        BatchItem.batch_id == batch.id
    )


def _count_others(session: Session, found: PushCheck, row: PushTarget, batch: Batch | None) -> None:
    """What is not at the target and was not asked for; what is missing now counts as missing."""
    if batch is not None:
        progress = push_reports.progress(session, session.get_one(Batch, batch.id))
        if progress is not None:
            found.waiting, found.failed = progress.waiting, progress.failed
    else:
        counts = push_reports.counts_of_targets(session).get(row.id, {})
        found.waiting = counts.get(PushStatus.WAITING, 0) + _not_enrolled(session, row.id)
        found.failed = counts.get(PushStatus.FAILED, 0)
    found.failed = max(0, found.failed - len(found.missing))


def _not_enrolled(session: Session, target_id: int) -> int:
    """Archived documents of the target's batches that no pusher has looked at yet."""
    query = (
        select(func.count(BatchItem.document_id.distinct()))
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(
            Batch.push_target_id == target_id,
            Batch.deleted_at.is_(None),
            BatchItem.status.in_(push_reports.ARCHIVED),
            ~exists().where(Push.target_id == target_id, Push.document_id == BatchItem.document_id),
        )
    )
    return session.scalar(query) or 0
