"""文件下载: having the files that are not archived yet fetched at once, by the engine itself.

Nothing is stored in any other way than a batch stores it. The chosen items are marked
(``wanted_by``); the engine claims marked ones first, and those of a waiting batch alone
(:mod:`portal.services.wanting`). What failed is made pending again as a retry makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from portal.errors import PROBLEMS, NotAllowed
from portal.models import Batch, BatchItem, Chore, Document, Slice
from portal.services import audit, chores, paging
from portal.services.leases import DEFERRED
from portal.services.paging import Leaf, Place
from portal.services.retrying import send_again
from portal.services.selection import Selection, batch_ids
from portal.services.wanting import KIND
from portal.statuses import ItemStatus, RunStatus

_MAY_PASS = [problem.code for problem in PROBLEMS.values() if not problem.permanent]
# Ids in one statement.
_MANY = 1000
_UNDONE = (ItemStatus.PENDING, ItemStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a fetch is, in documents.

    ``cancelled`` are pending ones whose batch has been cancelled or deleted since: nobody will
    move them.
    """

    whole: int = 0
    pending: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All that it is still about."""
        return self.whole + self.pending + self.failed + self.cancelled

    def as_json(self) -> dict[str, int]:
        """For the result of the chore."""
        return asdict(self)


def ask(
    session: Session, selection: Selection, *, permanent_too: bool, by: str, now: datetime
) -> Chore:
    """Ask for a fetch; the same one that is under way is not asked for twice.

    :param permanent_too: whether what failed for good is tried again
    :raises NotAllowed: when neither batches nor documents are named, or a batch is not there
    """
    if not selection.batch_nos and not selection.document_ids:
        raise NotAllowed("请先选择批次或单据", "choose batches or documents first")
    batch_ids(session, selection.batch_nos)
    params = {**selection.as_json(), "permanent_too": permanent_too}
    chore = chores.ask(session, KIND, by=by, now=now, params=params)
    if chore.asked_at == now and chore.asked_by == by:
        told = selection.told() | ({"permanent_too": True} if permanent_too else {})
        audit.record(session, "fetch.ask", by=by, at=now, detail=told)
    return chore


def batches_of(session: Session, selection: Selection) -> list[int]:
    """The batches in which the fetch finds its documents.

    :raises NotAllowed: for a batch there is not
    """
    if selection.batch_nos:
        return batch_ids(session, selection.batch_nos)
    query = select(BatchItem.batch_id).where(BatchItem.id.in_(_latest(selection.document_ids)))
    return sorted(session.scalars(query.distinct()))


def want(
    session: Session,
    batch_id: int,
    selection: Selection,
    *,
    chore_id: int,
    permanent_too: bool,
    zone: ZoneInfo,
    by: str,
    now: datetime,
) -> int:
    """Mark what the fetch wants in a batch and have it due now; idempotent.

    A batch that waits goes on waiting. In one that has ended what failed begins a new run.

    :return: how many documents were marked, those included that stay failed
    """
    if _is_over(session.get_one(Batch, batch_id)):
        return 0
    # Items by id, months, the batch: the order in which workers lock them to record results.
    chosen = select(BatchItem.id).where(*_chosen(selection, batch_id, zone))
    # By their ids: MySQL changes no table that the same statement reads.
    marked = session.scalars(chosen.order_by(BatchItem.id).with_for_update()).all()
    if not marked:
        return 0
    for start in range(0, len(marked), _MANY):
        session.execute(
            update(BatchItem)
            .where(BatchItem.id.in_(marked[start : start + _MANY]))
            .values(wanted_by=chore_id)
            .execution_options(synchronize_session=False)
        )
    months = select(Slice.id).where(Slice.batch_id == batch_id).order_by(Slice.id)
    session.execute(months.with_for_update())
    batch = session.get_one(Batch, batch_id, populate_existing=True, with_for_update=True)
    if _is_over(batch):
        return 0
    mine = BatchItem.wanted_by == chore_id
    which = [mine] if permanent_too else [mine, BatchItem.error_code.in_(_MAY_PASS)]
    again = send_again(session, batch, which, by=by, now=now)
    session.execute(
        update(BatchItem)
        .where(
            mine,
            BatchItem.batch_id == batch_id,
            BatchItem.status == ItemStatus.PENDING,
            BatchItem.lease_owner.is_(None),
            BatchItem.next_try_at < DEFERRED,
        )
        .values(next_try_at=now)
        .execution_options(synchronize_session=False)
    )
    told = {"documents": len(marked), "again": again}
    audit.record(session, "fetch.begin", by=by, at=now, batch_id=batch_id, detail=told)
    return len(marked)


def counts(session: Session, chore_id: int) -> Counts:
    """How far the fetch is."""
    stopped = or_(Batch.run_status == RunStatus.ENDED, Batch.deleted_at.is_not(None))
    query = (
        select(BatchItem.status, stopped.label("stopped"), func.count().label("items"))
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(BatchItem.wanted_by == chore_id)
        .group_by(BatchItem.status, stopped)
    )
    found = {"whole": 0, "pending": 0, "failed": 0, "cancelled": 0}
    for row in session.execute(query):
        found[_word(row.status, stopped=bool(row.stopped))] += row.items
    return Counts(**found)


def failures(session: Session, chore_id: int, place: Place) -> Leaf[Any]:
    """What could not be fetched, with its batch and document; sorted by ``id``."""
    query = (
        select(BatchItem, Document, Batch.batch_no)
        .join(Document, Document.id == BatchItem.document_id)
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(BatchItem.wanted_by == chore_id, BatchItem.status == ItemStatus.FAILED)
    )
    return paging.read(session, query, place, columns={"id": BatchItem.id}, row_id=BatchItem.id)


def unlisted(session: Session, selection: Selection) -> Sequence[str]:
    """Batches of which nothing is known yet, as they were never listed."""
    query = select(Batch.batch_no).where(
        Batch.batch_no.in_(selection.batch_nos), Batch.total == 0, Batch.run_no == 0
    )
    return session.scalars(query.order_by(Batch.id)).all()


def of_chore(params: Mapping[str, Any]) -> tuple[Selection, bool]:
    """What was asked for: the documents, and whether also those that failed for good."""
    return Selection.from_json(params), bool(params["permanent_too"])


def _word(status: ItemStatus, *, stopped: bool) -> str:
    if status is ItemStatus.PENDING:
        return "cancelled" if stopped else "pending"
    return "failed" if status is ItemStatus.FAILED else "whole"


def _is_over(batch: Batch) -> bool:
    """Whether nothing of it is to be moved any more."""
    return batch.deleted_at is not None or batch.cancelled_by is not None


def _chosen(selection: Selection, batch_id: int, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    absent = select(Document.id).where(
        Document.id == BatchItem.document_id, Document.archived_at.is_(None)
    )
    chosen = [
        BatchItem.batch_id == batch_id,
        BatchItem.status.in_(_UNDONE),
        absent.exists(),
        *selection.of_items(zone),
    ]
    if not selection.batch_nos:
        chosen.append(BatchItem.id.in_(_latest(selection.document_ids)))
    return chosen


def _latest(document_ids: Sequence[int]) -> Any:
    """Each document's last passage through a batch that is neither cancelled nor deleted."""
    return (
        select(func.max(BatchItem.id))
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(
            BatchItem.document_id.in_(document_ids),
            Batch.deleted_at.is_(None),
            Batch.cancelled_by.is_(None),
        )
        .group_by(BatchItem.document_id)
    )
