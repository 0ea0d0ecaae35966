"""已核对: months that were proved, and the tick taken away by whatever changes in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from portal.models import Batch, CheckedMonth, DataSource, Document, Reconciliation, Slice
from portal.services import audit
from portal.services.months import MonthRange
from portal.sync.archive.names import safe_name

#: Why a tick was taken away, or not given, in Chinese and English.
WORDS: Mapping[str, tuple[str, str]] = {
    "archived": ("该月有单据新归档或被替换", "documents were archived or replaced"),
    "listed": ("该月清点出新单据", "new documents were listed"),
    "damage": ("核对发现归档有损坏", "a verification found damage"),
    "unbalanced": ("对账不平", "it does not balance"),
    "open": ("还有未完成的单据", "documents are still to be done"),
    "not-reread": ("没有重读文件", "its files were not re-read"),
    "changed": ("对账期间该月有变化", "it changed meanwhile"),
    "empty": ("该月没有单据", "it has no documents"),
}


def words(why: str, language: str) -> str:
    """The reason in ``zh`` or ``en``."""
    return WORDS[why][0 if language.startswith("zh") else 1]


def tick(session: Session, run: Reconciliation, month: str, *, now: datetime) -> None:
    """Mark a month as 已核对 by this reconciliation; an older tick makes way."""
    session.execute(
        update(CheckedMonth)
        .where(*_in_force(run.data_source_id, [month]))
        .values(withdrawn_at=now, withdrawn_why=None)
        .execution_options(synchronize_session=False)
    )
    session.add(
        CheckedMonth(
            data_source_id=run.data_source_id,
            month=month,
            reconciliation_id=run.id,
            checked_by=run.asked_by,
            checked_at=now,
        )
    )
    detail = {"month": month, "reconciliation": run.id}
    audit.record(session, "month.check", by=run.asked_by, at=now, detail=detail)


def withdraw(
    session: Session, source_id: int, months: Collection[str], why: str, *, by: str, now: datetime
) -> None:
    """Take the ticks of these months away, if they have one, in the caller's transaction.

    :param why: a key of :data:`WORDS`
    """
    if not months:
        return
    in_force = select(CheckedMonth.id, CheckedMonth.month).where(*_in_force(source_id, months))
    ticks = session.execute(in_force.order_by(CheckedMonth.id).with_for_update()).all()
    if not ticks:
        return
    session.execute(
        update(CheckedMonth)
        .where(CheckedMonth.id.in_([tick.id for tick in ticks]))
        .values(withdrawn_at=now, withdrawn_why=why)
        .execution_options(synchronize_session=False)
    )
    for month in sorted(tick.month for tick in ticks):
        audit.record(session, "month.withdraw", by=by, at=now, reason=why, detail={"month": month})


def withdraw_at(
    session: Session, places: Collection[str], why: str, *, by: str, now: datetime
) -> None:
    """The same for the months that these storage keys lie in."""
    months: dict[str, set[str]] = {}
    for place in places:
        folder, _, rest = place.partition("/")
        months.setdefault(folder, set()).add(rest.partition("/")[0])
    if not months:
        return
    for source_id, name in session.execute(select(DataSource.id, DataSource.name)).all():
        withdraw(session, source_id, months.get(safe_name(name), ()), why, by=by, now=now)


def withdraw_of(
    session: Session, slice_ids: Collection[int], why: str, *, by: str, now: datetime
) -> None:
    """The same for the months of these slices of one batch; one statement where there is none."""
    if not slice_ids:
        return
    parts = select(Slice.month).where(Slice.id.in_(slice_ids))
    batch = select(Slice.batch_id).where(Slice.id.in_(slice_ids)).limit(1).scalar_subquery()
    source = select(Batch.data_source_id).where(Batch.id == batch).scalar_subquery()
    ticked = select(CheckedMonth.data_source_id, CheckedMonth.month).where(
        CheckedMonth.withdrawn_at.is_(None),
        CheckedMonth.data_source_id == source,
        CheckedMonth.month.in_(parts),
    )
    for source_id, month in session.execute(ticked).all():
        withdraw(session, source_id, [month], why, by=by, now=now)


def changed_since(session: Session, source_id: int, month: MonthRange, moment: datetime) -> bool:
    """Whether anything was archived, replaced or listed anew in a month since then.

    What is just being recorded is waited for; what is recorded later finds the month ticked.
    """
    # Found first and then locked: MariaDB would lock the batches as well, in another order.
    parts = session.scalars(
        select(Slice.id)
        .join(Batch, Batch.id == Slice.batch_id)
        .where(Batch.data_source_id == source_id, Slice.month == month.month)
    ).all()
    session.execute(
        select(Slice.id).where(Slice.id.in_(parts)).order_by(Slice.id).with_for_update()
    )
    query = select(Document.id).where(
        Document.data_source_id == source_id,
        Document.collected_at >= month.starts_at,
        Document.collected_at < month.ends_at,
        or_(Document.archived_at >= moment, Document.described_at >= moment),
    )
    return session.scalar(query.limit(1)) is not None


def newest(session: Session, source_id: int, months: Collection[str]) -> dict[str, CheckedMonth]:
    """The last tick of each of these months, in force or withdrawn."""
    query = (
        select(CheckedMonth)
        .where(CheckedMonth.data_source_id == source_id, CheckedMonth.month.in_(months))
        .order_by(CheckedMonth.id)
    )
    return {each.month: each for each in session.scalars(query)}


def _in_force(source_id: int, months: Collection[str]) -> list[ColumnElement[bool]]:
    return [
        CheckedMonth.data_source_id == source_id,
        CheckedMonth.month.in_(months),
        CheckedMonth.withdrawn_at.is_(None),
    ]
