"""How far the pushing of a batch's documents is, why some failed, and having those tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import Batch, BatchItem, Document, Push, PushTarget
from portal.services import audit, pushes
from portal.statuses import ItemStatus, PushStatus

#: Of a batch's items: their documents are to be pushed.
ARCHIVED = (ItemStatus.SYNCED, ItemStatus.SKIPPED)
_MANY = 500


@dataclass(frozen=True, slots=True)
class PushProgress:
    """How many documents of a batch are how far at its target.

    ``archived`` is all that are to be pushed; ``waiting`` includes those that no pusher has looked
    at yet.
    """

    target: PushTarget
    archived: int
    waiting: int
    pushed: int
    confirmed: int
    failed: int

    @property
    def is_settled(self) -> bool:
        """Whether nothing moves any more, of what is archived so far."""
        return not self.waiting and not self.pushed

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        target = self.target
        return {
            "target": target.name,
            "enabled": target.enabled,
            "hold": target.hold_code,
            "archived": self.archived,
            "waiting": self.waiting,
            "pushed": self.pushed,
            "confirmed": self.confirmed,
            "failed": self.failed,
        }


@dataclass(frozen=True, slots=True)
class PushCause:
    """The failed pushes of one code, with the newest as an example."""

    code: str
    count: int
    params: dict[str, Any]
    document_id: int
    image_no: str


def progress(session: Session, batch: Batch) -> PushProgress | None:
    """None for a batch that is not pushed on; two queries."""
    if batch.push_target_id is None:
        return None
    target = session.get_one(PushTarget, batch.push_target_id)
    query = _of_batch(batch, Push.status, func.count()).group_by(Push.status)
    counts: dict[PushStatus, int] = {row[0]: row[1] for row in session.execute(query)}
    waiting = batch.done - sum(counts.values()) + counts.get(PushStatus.WAITING, 0)
    return PushProgress(
        target=target,
        archived=batch.done,
        waiting=max(0, waiting),
        pushed=counts.get(PushStatus.PUSHED, 0),
        confirmed=counts.get(PushStatus.CONFIRMED, 0),
        failed=counts.get(PushStatus.FAILED, 0),
    )


def causes(session: Session, batch: Batch) -> Sequence[PushCause]:
    """Why pushes of a batch failed, the most frequent cause first."""
    if batch.push_target_id is None:
        return ()
    grouped = (
        _of_batch(batch, Push.error_code, func.count(), func.max(Push.id))
        .where(Push.status == PushStatus.FAILED)
        .group_by(Push.error_code)
        .order_by(func.count().desc(), Push.error_code)
    )
    rows = session.execute(grouped).all()
    named = (
        select(Push, Document.image_no)
        .join(Document, Document.id == Push.document_id)
        .where(Push.id.in_([row[2] for row in rows]))
    )
    examples = {push.id: (push, image_no) for push, image_no in session.execute(named)}
    return [
        PushCause(
            code=str(code),
            count=count,
            params=examples[newest][0].error_params or {},
            document_id=examples[newest][0].document_id,
            image_no=examples[newest][1],
        )
        for code, count, newest in rows
    ]


def retry(ledger: Ledger, batch: Batch, *, by: str, now: datetime, code: str | None = None) -> int:
    """Have the failed pushes of a batch, or those of one cause, tried again; how many."""
    words: dict[str, Any] = {"by": by, "now": now, "reason": "retry"}
    query = _of_batch(batch, Push.id).where(Push.status == PushStatus.FAILED).order_by(Push.id)
    if code is not None:
        query = query.where(Push.error_code == code)
    with ledger.read() as session:
        ids = session.scalars(query).all()

    count = 0
    for start in range(0, len(ids), _MANY):
        some = ids[start : start + _MANY]
        count += ledger.transact(partial(pushes.push_again, push_ids=some, **words))
    if count:
        detail = {"documents": count} | ({"narrowed": code} if code else {})
        with ledger.write() as session:
            audit.record(session, "push.retry", by=by, at=now, batch_id=batch.id, detail=detail)
    return count


def of_documents(
    session: Session, document_ids: Sequence[int], *, target_id: int | None = None
) -> dict[int, list[tuple[Push, str]]]:
    """The pushes of some documents with their targets' names, by document."""
    query = (
        select(Push, PushTarget.name)
        .join(PushTarget, PushTarget.id == Push.target_id)
        .where(Push.document_id.in_(document_ids))
        .order_by(Push.document_id, PushTarget.name)
    )
    if target_id is not None:
        query = query.where(Push.target_id == target_id)
    found: dict[int, list[tuple[Push, str]]] = {}
    for push, name in session.execute(query):
        found.setdefault(push.document_id, []).append((push, name))
    return found


def counts_of_targets(session: Session) -> dict[int, dict[PushStatus, int]]:
    """How many documents are how far at each target."""
    query = select(Push.target_id, Push.status, func.count()).group_by(Push.target_id, Push.status)
    found: dict[int, dict[PushStatus, int]] = {}
    for target_id, status, count in session.execute(query):
        found.setdefault(target_id, {})[status] = count
    return found


def _of_batch(batch: Batch, *columns: Any) -> Select[*tuple[Any, ...]]:
    """The pushes of a batch's archived documents, whichever batch asked for them first."""
    return (
        select(*columns)
        .select_from(BatchItem)
        .join(Push, Push.document_id == BatchItem.document_id)
        .where(
            BatchItem.batch_id == batch.id,
            BatchItem.status.in_(ARCHIVED),
            Push.target_id == batch.push_target_id,
        )
    )
