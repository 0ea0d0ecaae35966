"""Job logs as an admin's page asks for them, again and again from the first line it has not shown.

The page shows an answer when ``to_line >= from_line`` and goes on behind it. It asks only once for
a run that had ended when it was opened, and gives up after a minute in which nothing new came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, cast

from sqlalchemy import BigInteger, select, type_coerce
from sqlalchemy.orm import Session

from . import logs
from .ledger import Ledger
from .models import ExecutorLogLine, ExecutorRun
from .protocol.inbound import LogQuery
from .protocol.outbound import LogPage
from .protocol.texts import NO_LOG, LogMarkup, log_text
from .statuses import RunStatus

PAGE_CHARS: Final = 2_000_000
"""Characters of log text in one answer; the admin holds it in memory, and the browser too."""
WHOLE_LINES: Final = 20_000
"""Lines of an ended run, which is asked for once: more of them than of a living one's page."""
QUIET: Final = timedelta(seconds=45)
"""After so long without a line a watcher gets one; the page gives up after 63 s."""
_GAP_MARK: Final = "... {count} lines left out here: the log is too long to show whole ..."
_AT_A_TIME: Final = 2_000
"""Lines in memory at once besides those that are answered."""


#: A line as it is in the table: number, epoch milliseconds, text. Plain, because a page may have
#: ten thousand of them.
_Line = tuple[int, int, str]
Lines = Sequence[_Line]


class _Times(dict[int, str]):
    """Seconds of the epoch in words; most lines share theirs with the line before."""

    def __init__(self, zone: tzinfo | None) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, second: int) -> str:
        moment = datetime.fromtimestamp(second, tz=UTC).astimezone(self._zone)
        self[second] = f"{moment:%Y-%m-%d %H:%M:%S}"
        return self[second]


@dataclass(frozen=True)
class _Found:
    id: int
    is_ended: bool
    log_lines: int
    last_sign: datetime


class LogPages:
    """Answers to ``/log``.

    :param zone: of the times before the lines; None is the machine's own
    """

    def __init__(self, ledger: Ledger, *, zone: tzinfo | None, markup: LogMarkup) -> None:
        self._ledger = ledger
        self._zone = zone
        self._markup = markup

    def read(self, query: LogQuery, now: datetime) -> LogPage:
        """What follows line ``from_line`` of the newest run with the log id.

        An ended run is answered whole, with a note in the middle if it is too long; a living one
        page by page, and with a sign of life when it has been quiet: only a log that somebody
        watches gets such lines.
        """
        page, quiet_run = self._look(query, now)
        if quiet_run is None:
            return page
        with self._ledger.begin() as session:
            logs.beat(session, quiet_run, quiet=QUIET, now=now)
        return self._look(query, now)[0]

    def _look(self, query: LogQuery, now: datetime) -> tuple[LogPage, int | None]:
        """The answer as things are, and the run that needs a sign of life."""
        with self._ledger.read() as session:
            run = _newest(session, query.log_id)
            if run is None:
                return _missing(query), None
            if run.is_ended:
                return self._whole(session, run, query), None
            page = self._next_part(session, run, query)
            is_quiet = page.to_line < query.from_line and run.last_sign <= now - QUIET
            return page, run.id if is_quiet else None

    def _next_part(self, session: Session, run: _Found, query: LogQuery) -> LogPage:
        first = max(1, query.from_line)
        last = min(run.log_lines, first + logs.PAGE_LINES - 1)
        lines = _forward(session, run.id, first, last, _most_chars(query))
        to_line = lines[-1][0] if lines else run.log_lines
        return LogPage(query.from_line, to_line, self._text(lines, query), is_end=False)

    def _whole(self, session: Session, run: _Found, query: LogQuery) -> LogPage:
        first, last = max(1, query.from_line), run.log_lines
        half = last if last - first < WHOLE_LINES else first + WHOLE_LINES // 2 - 1
        head = _forward(session, run.id, first, half, _most_chars(query))
        if not head or head[-1][0] == last:
            return LogPage(query.from_line, last, self._text(head, query), is_end=True)
        text = self._with_gap(session, run, query, head)
        return LogPage(query.from_line, last, text, is_end=True)

    def _with_gap(self, session: Session, run: _Found, query: LogQuery, start: Lines) -> str:
        """The first half of what fits, the note, and the last half."""
        chars = _most_chars(query) // 2
        head = _until(start, chars)
        lowest = max(head[-1][0] + 1, run.log_lines - WHOLE_LINES // 2 + 1)
        tail = _backward(session, run.id, lowest, run.log_lines, chars)
        gap = tail[0][0] - head[-1][0] - 1
        note = [_GAP_MARK.format(count=gap)] if gap else []
        return "\n".join([self._text(head, query), *note, self._text(tail, query)])

    def _text(self, lines: Lines, query: LogQuery) -> str:
        times = _Times(self._zone)
        # No time and no line end can be taken for markup, so all lines are looked at in one go.
        text = "\n".join([f"{times[written_at // 1000]} {text}" for _, written_at, text in lines])
        return log_text(text, LogMarkup.ESCAPE if query.shown_as_html else self._markup)


def _most_chars(query: LogQuery) -> int:
    return PAGE_CHARS if query.max_chars is None else min(PAGE_CHARS, query.max_chars)


def _newest(session: Session, log_id: int) -> _Found | None:
    # By log id alone: the date an admin asks with is rounded, or of another time zone.
    run = session.execute(
        select(
            ExecutorRun.id,
            ExecutorRun.status,
            ExecutorRun.log_lines,
            ExecutorRun.logged_at,
            ExecutorRun.queued_at,
        )
        .where(ExecutorRun.log_id == log_id)
        .order_by(ExecutorRun.id.desc())
        .limit(1)
    ).first()
    if run is None:
        return None
    is_ended = RunStatus(run.status).is_ended
    return _Found(run.id, is_ended, run.log_lines, run.logged_at or run.queued_at)


def _missing(query: LogQuery) -> LogPage:
    # With fewer lines than asked for the page would show nothing; the first answer has one.
    if query.from_line > 1:
        return LogPage(query.from_line, 1, "", is_end=True)
    return LogPage(query.from_line, 1, NO_LOG, is_end=True)


def _forward(session: Session, run_id: int, first: int, last: int, chars: int) -> Lines:
    """Lines from the first on, as many as have so many characters, but always one."""
    found: list[_Line] = []
    for start in range(first, last + 1, _AT_A_TIME):
        part = _lines(session, run_id, start, min(last, start + _AT_A_TIME - 1))
        found += _until(part, chars, found)
        chars -= _chars(part)
        if chars < 0:
            break
    return found


def _backward(session: Session, run_id: int, first: int, last: int, chars: int) -> Lines:
    """The same from the last on, in their order."""
    found: list[_Line] = []
    for end in range(last, first - 1, -_AT_A_TIME):
        part = _lines(session, run_id, max(first, end - _AT_A_TIME + 1), end)[::-1]
        found += _until(part, chars, found)
        chars -= _chars(part)
        if chars < 0:
            break
    return found[::-1]


def _lines(session: Session, run_id: int, first: int, last: int) -> Lines:
    line = ExecutorLogLine
    statement = (
        select(line.number, type_coerce(line.written_at, BigInteger), line.text)
        .where(line.run_id == run_id, line.number.between(first, last))
        .order_by(line.number)
    )
    # Past the session, which makes much of each row.
    return cast("Lines", session.connection().execute(statement).all())


def _until(lines: Lines, chars: int, before: Lines = ()) -> Lines:
    """The lines up to so many characters; one more than that when there was none before."""
    if _chars(lines) <= chars:
        return lines
    found: list[_Line] = []
    for line in lines:
        chars -= len(line[2])
        if chars < 0 and (found or before):
            break
        found.append(line)
    return found


def _chars(lines: Lines) -> int:
    return sum([len(text) for _, _, text in lines])
