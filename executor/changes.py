"""The one way a run changes its status: checked against the table, by compare-and-set."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import CursorResult, Executable, select, update
from sqlalchemy.orm import Session

from . import logs, observing
from .models import ExecutorRun
from .statuses import UNFINISHED, Cause, RunStatus, check

UNFINISHED_VALUES: Final = tuple(sorted(status.value for status in UNFINISHED))


def load(session: Session, run_id: int) -> ExecutorRun | None:
    """The run as the database has it now, whatever the session remembers."""
    return session.get(ExecutorRun, run_id, populate_existing=True)


def move(session: Session, run: ExecutorRun, new: RunStatus, **values: Any) -> bool:
    """Change the status if nobody changed the run since it was read; False if somebody did.

    :raises IllegalTransition: if the table of statuses does not have the change
    """
    check(RunStatus(run.status), new)
    statement = (
        update(ExecutorRun)
        .where(
            ExecutorRun.id == run.id,
            ExecutorRun.status == run.status,
            ExecutorRun.claims == run.claims,
        )
        .values(status=new.value, **values)
    )
    moved = rows_changed(session, statement) == 1
    session.refresh(run)
    return moved


def end(
    session: Session,
    run: ExecutorRun,
    status: RunStatus,
    *,
    cause: Cause,
    code: int,
    message: str,
    now: datetime,
) -> bool:
    """End the run and put its result into the outbox, both in this transaction.

    The job stays occupied while a process is still inside the handler; it is given free when
    the handler returns or the lease runs out. Returns False if the run changed meanwhile.
    """
    values: dict[str, Any] = {
        "ended_at": now,
        "cause": cause.value,
        "handle_code": code,
        "handle_message": logs.bounded(message),
        "next_delivery_at": now,
    }
    if run.lease_expires_at is None:
        values["occupies_job_id"] = None
    if not move(session, run, status, **values):
        return False
    logs.append(session, run.id, f"job execute end: code {code}, message {message}", now=now)
    observing.tell(session, run.info(), "ended")
    return True


def newest_of_log(
    session: Session, log_id: int, *statuses: RunStatus, for_update: bool = False
) -> ExecutorRun | None:
    """The newest run an admin calls ``log_id``, of the given statuses if any are given."""
    statement = (
        select(ExecutorRun)
        .where(ExecutorRun.log_id == log_id)
        .order_by(ExecutorRun.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    if statuses:
        statement = statement.where(ExecutorRun.status.in_([status.value for status in statuses]))
    if for_update:
        statement = statement.with_for_update()
    return session.scalars(statement).first()


def rows_changed(session: Session, statement: Executable) -> int:
    """Execute an UPDATE past the session's memory and say how many rows it met."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount
