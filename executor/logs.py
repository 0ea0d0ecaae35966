"""The job logs: lines in the ledger, so that any process can answer for any run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from .models import ExecutorLogLine, ExecutorRun
from .protocol.inbound import LogQuery
from .protocol.outbound import LogPage
from .protocol.texts import MESSAGE_LIMIT, NO_LOG, log_text, storable
from .statuses import RunStatus

LINE_LIMIT: Final = 4_000
"""Characters kept of one line."""
PAGE_LINES: Final = 10_000
"""Lines in one answer."""
_GAP_MARK: Final = "... {count} lines left out here: the log is too long to show whole ..."


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
    lines = [_cut(line, LINE_LIMIT) for line in storable(text).splitlines()] or [""]
    session.execute(
        update(ExecutorRun)
        .where(ExecutorRun.id == run_id)
        .values(log_lines=ExecutorRun.log_lines + len(lines)),
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


def read(session: Session, query: LogQuery, *, zone: tzinfo | None) -> LogPage:
    """The lines an admin's page asks for.

    The page shows what it has not shown yet when ``to_line >= from_line`` and goes on behind it.
    It asks only once for a run that had ended when it was opened, so an ended run is answered
    whole, with a note in the middle if it is too long; a living one page by page.
    """
    run = session.execute(
        select(ExecutorRun.id, ExecutorRun.status, ExecutorRun.log_lines)
        .where(ExecutorRun.log_id == query.log_id)
        .order_by(ExecutorRun.id.desc())
        .limit(1)
    ).first()
    if run is None:
        return _missing(query)
    first = max(1, query.from_line)
    ended = RunStatus(run.status).is_ended
    if run.log_lines - first >= PAGE_LINES and ended:
        return LogPage(
            query.from_line,
            run.log_lines,
            _with_gap(session, run.id, first, run.log_lines, zone),
            is_end=True,
        )
    last = min(run.log_lines, first + PAGE_LINES - 1)
    return LogPage(query.from_line, last, _text(_lines(session, run.id, first, last), zone), ended)


def lines_after(session: Session, run_id: int, number: int) -> Sequence[LogLine]:
    """The lines of a run behind line ``number``, at most :data:`PAGE_LINES` of them."""
    lines = _lines(session, run_id, number + 1, number + PAGE_LINES)
    return [LogLine(line.number, line.written_at, line.text) for line in lines]


def bounded(message: str) -> str:
    """A result's message as the ledger keeps it: storable, and no longer than an admin takes."""
    return storable(message)[:MESSAGE_LIMIT]


def _missing(query: LogQuery) -> LogPage:
    # With fewer lines than asked for the page would show nothing; the first answer has one.
    if query.from_line > 1:
        return LogPage(query.from_line, 1, "", is_end=True)
    return LogPage(query.from_line, 1, NO_LOG, is_end=True)


def _with_gap(session: Session, run_id: int, first: int, last: int, zone: tzinfo | None) -> str:
    half = PAGE_LINES // 2
    head = _lines(session, run_id, first, first + half - 1)
    tail = _lines(session, run_id, last - half + 1, last)
    gap = _GAP_MARK.format(count=last - first + 1 - 2 * half)
    return "\n".join((_text(head, zone), gap, _text(tail, zone)))


def _lines(session: Session, run_id: int, first: int, last: int) -> Sequence[ExecutorLogLine]:
    return session.scalars(
        select(ExecutorLogLine)
        .where(ExecutorLogLine.run_id == run_id, ExecutorLogLine.number.between(first, last))
        .order_by(ExecutorLogLine.number)
    ).all()


def _text(lines: Sequence[ExecutorLogLine], zone: tzinfo | None) -> str:
    return "\n".join(
        f"{line.written_at.astimezone(zone):%Y-%m-%d %H:%M:%S} {log_text(line.text)}"
        for line in lines
    )


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else f"{line[:limit]}... ({len(line) - limit} more cut)"
