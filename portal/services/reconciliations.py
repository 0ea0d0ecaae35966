"""对账 as the ledger keeps it: asked for, performed by one at a time, ended; never removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, delete, func, or_, select, true, update
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.ledger import Ledger
from portal.models import (
    Chore,
    DataSource,
    Part,
    Reconciliation,
    ReconciliationCell,
    ReconciliationFinding,
    ReconciliationMonth,
    ReconciliationState,
)
from portal.models.reconciliation import DEFECTS
from portal.services import audit, chores
from portal.services.changing import rows_changed
from portal.services.months import MonthRange
from portal.services.paging import Leaf, Place, read
from portal.services.verification_scope import month_range
from portal.statuses import ChoreStatus

KIND = "reconcile"
MOST_MONTHS = 600
_PAGE = 500
_UNFINISHED = (ReconciliationState.WAITING, ReconciliationState.RUNNING)


def ask(
    session: Session,
    source_id: int,
    first_month: str,
    last_month: str,
    *,
    reread: bool,
    by: str,
    now: datetime,
) -> Reconciliation:
    """Record that somebody wants a source reconciled over these months, both included.

    :raises NotFound: when there is no such source
    :raises NotAllowed: when the months make no range
    """
    if session.get(DataSource, source_id) is None:
        raise NotFound("没有这个数据源", "there is no such data source")
    months_of(first_month, last_month)
    close_lost(session, now=now)
    run = Reconciliation(
        data_source_id=source_id,
        first_month=first_month,
        last_month=last_month,
        reread=reread,
        state=ReconciliationState.WAITING,
        asked_by=by,
        asked_at=now,
    )
    session.add(run)
    session.flush()
    detail = {
        "reconciliation": run.id,
        "month": f"{first_month} – {last_month}",
        "reread": reread,
    }
    audit.record(session, "reconcile.ask", by=by, at=now, detail=detail)
    return run


def months_of(first: str, last: str) -> list[str]:
    """The months from ``first`` to ``last``, both included.

    :raises NotAllowed: when these are no months in this order, or too many
    """
    try:
        one, other = (date.fromisoformat(f"{month}-01") for month in (first, last))
    except ValueError:
        raise NotAllowed("月份应如 2024-03", "a month must be given such as 2024-03") from None
    count = (other.year - one.year) * 12 + other.month - one.month + 1
    if not 1 <= count <= MOST_MONTHS:
        raise NotAllowed(
            f"起始月份不能晚于结束月份，最多 {MOST_MONTHS} 个月",
            f"the first month must not be after the last, {MOST_MONTHS} months at most",
        )
    numbers = (one.year * 12 + one.month - 1 + step for step in range(count))
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers]


def ranges_of(run: Reconciliation, zone: Any) -> list[MonthRange]:
    """Its months as instants."""
    return [month_range(month, zone) for month in months_of(run.first_month, run.last_month)]


def find(session: Session, run_id: int) -> Reconciliation:
    """
    :raises NotFound: when there is none
    """
    run = session.get(Reconciliation, run_id)
    if run is None:
        raise NotFound("没有这次对账", "there is no such reconciliation")
    return run


# Performing one.


def begin(ledger: Ledger, run_id: int, *, runner: str, now: datetime) -> Reconciliation:
    """Take a reconciliation over; what an earlier runner found is forgotten.

    :raises NotAllowed: when it has ended
    """
    with ledger.write() as session:
        run = session.get_one(Reconciliation, run_id, with_for_update=True)
        if run.state not in _UNFINISHED:
            raise NotAllowed("这次对账已结束", "this reconciliation has ended")
        run.state = ReconciliationState.RUNNING
        run.runner = runner
        run.started_at = run.started_at or now
        for table in (ReconciliationCell, ReconciliationFinding):
            session.execute(delete(table).where(table.reconciliation_id == run_id))
        session.execute(
            # A month that was re-read to its end need not be read again.
            delete(ReconciliationMonth).where(
                ReconciliationMonth.reconciliation_id == run_id,
                ReconciliationMonth.reread_at.is_(None),
            )
        )
        session.flush()
        session.expunge(run)
    return run


@contextmanager
def writing(ledger: Ledger, run: Reconciliation) -> Iterator[Session]:
    """A transaction of the one that performs it.

    :raises NotAllowed: when somebody else does by now, or it was cancelled
    """
    with ledger.write() as session:
        ours = rows_changed(
            session,
            update(Reconciliation)
            .where(
                Reconciliation.id == run.id,
                Reconciliation.runner == run.runner,
                Reconciliation.state == ReconciliationState.RUNNING,
            )
            .values(runner=run.runner),
        )
        if not ours:
            raise NotAllowed(
                "这次对账已由另一个进程接手", "another process has taken this reconciliation over"
            )
        yield session


def stop(
    session: Session,
    run_id: int,
    state: ReconciliationState,
    *,
    now: datetime,
    code: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> None:
    """End one that will not be performed to its end; does nothing to one that has ended."""
    run = session.get_one(Reconciliation, run_id, with_for_update=True)
    if run.state not in _UNFINISHED:
        return
    run.state = state
    run.ended_at = now
    run.error_code = code
    run.error_params = None if params is None else dict(params)
    detail = {"reconciliation": run.id}
    audit.record(
        session, "reconcile.end", by=run.asked_by, at=now, new=state, reason=code, detail=detail
    )


def is_cancelled(session: Session, chore_id: int) -> bool:
    """Whether a person cancelled the chore that performs one."""
    return chores.find(session, chore_id).status is ChoreStatus.CANCELLED


def close_lost(session: Session, *, now: datetime) -> None:
    """End those whose chore was cancelled before it began, or was given up."""
    query = (
        select(Reconciliation.id, Chore)
        .join(Chore, Chore.id == Reconciliation.chore_id)
        .where(
            Reconciliation.state.in_(_UNFINISHED),
            Chore.status.in_([ChoreStatus.CANCELLED, ChoreStatus.FAILED]),
        )
    )
    for run_id, chore in session.execute(query).all():
        cancelled = chore.status is ChoreStatus.CANCELLED
        state = ReconciliationState.CANCELLED if cancelled else ReconciliationState.FAILED
        stop(session, run_id, state, now=now, code=chore.error_code, params=chore.error_params)


def give_to_clerk(session: Session, run: Reconciliation, *, now: datetime) -> None:
    """Have a clerk perform it."""
    run.chore_id = chores.ask(
        session,
        KIND,
        by=run.asked_by,
        now=now,
        subject=f"reconciliation:{run.id}",
        params={"reconciliation": run.id},
    ).id


# Reading.


def runs(session: Session, place: Place, *, source_id: int | None = None) -> Leaf[Any]:
    """Reconciliations with their sources."""
    query = select(Reconciliation, DataSource).join(
        DataSource, DataSource.id == Reconciliation.data_source_id
    )
    if source_id is not None:
        query = query.where(Reconciliation.data_source_id == source_id)
    return read(session, query, place, columns={"id": Reconciliation.id}, row_id=Reconciliation.id)


def months(session: Session, run_id: int) -> Sequence[ReconciliationMonth]:
    """Its months, in order."""
    query = select(ReconciliationMonth).where(ReconciliationMonth.reconciliation_id == run_id)
    return session.scalars(query.order_by(ReconciliationMonth.month)).all()


def one_row(
    session: Session, run: Reconciliation, month: str, org: str | None, kind: str | None
) -> ReconciliationMonth | ReconciliationCell | None:
    """The cell of these codes, or the month where none are given; none when it has no such one."""
    if org is None or kind is None:
        table = ReconciliationMonth
        query = select(table).where(table.reconciliation_id == run.id, table.month == month)
        return session.scalar(query)
    cell = ReconciliationCell
    return session.scalar(
        select(cell).where(
            cell.reconciliation_id == run.id,
            cell.month == month,
            cell.org_code == org,
            cell.bill_type_code == kind,
        )
    )


CELL_SORTS = {
    "month": ReconciliationCell.month,
    "org": ReconciliationCell.org_code,
    "type": ReconciliationCell.bill_type_code,
    "listed": ReconciliationCell.listed_documents,
    "archived": ReconciliationCell.archived_documents,
    "defects": ReconciliationCell.defects,
}


def cells(
    session: Session,
    run_id: int,
    place: Place,
    *,
    month: str = "",
    org: str = "",
    kind: str = "",
    balance: str = "",
) -> Leaf[ReconciliationCell]:
    """Its cells, narrowed by what is not empty."""
    query = select(ReconciliationCell).where(ReconciliationCell.reconciliation_id == run_id)
    wanted = {
        ReconciliationCell.month: month,
        ReconciliationCell.org_code: org,
        ReconciliationCell.bill_type_code: kind,
        ReconciliationCell.balance: balance,
    }
    query = query.where(*(column == word for column, word in wanted.items() if word))
    return read(session, query, place, columns=CELL_SORTS, row_id=ReconciliationCell.id)


FINDING_SORTS = {"id": ReconciliationFinding.id}


def findings(
    session: Session,
    run_id: int,
    place: Place,
    *,
    part: Part | None = None,
    month: str = "",
    org: str | None = None,
    kind: str | None = None,
) -> Leaf[ReconciliationFinding]:
    """What parts and defects are made of; ``org`` and ``kind`` may be asked for as empty."""
    query = select(ReconciliationFinding).where(ReconciliationFinding.reconciliation_id == run_id)
    parts = list(DEFECTS) if part is None else [part]
    query = query.where(ReconciliationFinding.part.in_(parts))
    found = ReconciliationFinding
    wanted = [(found.month, found.at_month, month or None)]
    wanted += [(found.org_code, found.at_org, org), (found.bill_type_code, found.at_type, kind)]
    asked = [(there, here, word) for there, here, word in wanted if word is not None]
    # What is filed elsewhere belongs to both cells.
    query = query.where(
        or_(
            and_(true(), *(there == word for there, _, word in asked)),
            and_(found.at_month.is_not(None), *(here == word for _, here, word in asked)),
        )
    )
    return read(session, query, place, columns=FINDING_SORTS, row_id=ReconciliationFinding.id)


def defects_by_part(session: Session, run_id: int) -> dict[Part, int]:
    """How many defects of each class."""
    query = (
        select(ReconciliationFinding.part, func.count())
        .where(
            ReconciliationFinding.reconciliation_id == run_id,
            ReconciliationFinding.part.in_(DEFECTS),
        )
        .group_by(ReconciliationFinding.part)
    )
    return {row.part: row[1] for row in session.execute(query)}


def every(ledger: Ledger, query: Select[Any], row_id: Any) -> Iterator[Any]:
    """All rows of a query in the order of their ids, a page at a time."""
    last = 0
    while True:
        with ledger.read() as session:
            page = session.scalars(query.where(row_id > last).order_by(row_id).limit(_PAGE)).all()
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1].id
