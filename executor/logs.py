"""The job logs: lines in the ledger, so that any process can answer for any run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import CursorResult, func, insert, select, update
from sqlalchemy.orm import Session

from .models import ExecutorLogLine, ExecutorRun
from .protocol.texts import MESSAGE_LIMIT, storable, visible
from .statuses import UNFINISHED

_conceal: Callable[[str], str] = str
LINE_LIMIT: Final = 4_000
"""Characters kept of one line."""
PAGE_LINES: Final = 10_000
"""Lines shown at once."""


def conceal_by(conceal: Callable[[str], str]) -> None:
    """Have this process take out of every text what nobody may read, before it is kept."""
    global _conceal  # noqa: PLW0603 - one executor is this process's, see :mod:`.current`
    _conceal = conceal


@dataclass(frozen=True)
class LogLine:
    """A line of a run's log as a program shows it itself; numbered from 1."""

    number: int
    written_at: datetime
    text: str


def append(session: Session, run_id: int, text: str, *, now: datetime) -> None:
    """Add the text to a run's log, one numbered line for each of its lines.

    The run's row hands out the numbers and stays locked until the commit, so that a reader never
    sees a later line before an earlier one.
    """
    text = storable(_conceal(text))
    lines = [_cut(visible(line), LINE_LIMIT) for line in text.splitlines()] or [""]
    session.execute(
        update(ExecutorRun)
        .where(ExecutorRun.id == run_id)
        .values(
            log_lines=ExecutorRun.log_lines + len(lines),
            log_chars=ExecutorRun.log_chars + sum(map(len, lines)),
            logged_at=now,
        ),
        execution_options={"synchronize_session": False},
    )
    last = session.scalars(select(ExecutorRun.log_lines).where(ExecutorRun.id == run_id)).one()
    first = last - len(lines) + 1
    session.execute(
        insert(ExecutorLogLine),
        [
            {"run_id": run_id, "number": number, "written_at": now, "text": line}
            for number, line in enumerate(lines, first)
        ],
    )


def beat(session: Session, run_id: int, *, quiet: timedelta, now: datetime) -> bool:
    """Say that an unfinished run goes on, if nobody wrote a line for so long; returns whether."""
    last_sign = func.coalesce(ExecutorRun.logged_at, ExecutorRun.queued_at)
    statement = update(ExecutorRun).where(
        ExecutorRun.id == run_id,
        ExecutorRun.status.in_([status.value for status in UNFINISHED]),
        last_sign <= now - quiet,
    )
    # Of two who look at the same run in this moment, one changes the row.
    result = session.execute(
        statement.values(logged_at=now), execution_options={"synchronize_session": False}
    )
    if cast("CursorResult[Any]", result).rowcount == 0:
        return False
    started_at = session.scalars(
        select(ExecutorRun.started_at).where(ExecutorRun.id == run_id)
    ).one()
    text = "waiting for its turn" if started_at is None else f"still going on, {now - started_at}"
    append(session, run_id, f"... {text.partition('.')[0]} ...", now=now)
    return True


def lines_after(session: Session, run_id: int, number: int) -> Sequence[LogLine]:
    """The lines of a run behind line ``number``, at most :data:`PAGE_LINES` of them."""
    lines = _lines(session, run_id, number + 1, number + PAGE_LINES)
    return [LogLine(line.number, line.written_at, line.text) for line in lines]


def bounded(message: str) -> str:
    """A result's message as the ledger keeps it: storable, and no longer than an admin takes."""
    return storable(_conceal(message))[:MESSAGE_LIMIT]


def _lines(session: Session, run_id: int, first: int, last: int) -> Sequence[ExecutorLogLine]:
    return session.scalars(
        select(ExecutorLogLine)
        .where(ExecutorLogLine.run_id == run_id, ExecutorLogLine.number.between(first, last))
        .order_by(ExecutorLogLine.number)
    ).all()


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else f"{line[:limit]}... ({len(line) - limit} more cut)"
