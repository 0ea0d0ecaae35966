"""确保前提: asking for a check, keeping what each host found, and reading the last of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from portal.errors import NotFound, SyncError
from portal.models import Chore, DataSource, Document, File, Preflight, PreflightReport
from portal.services import audit, chores
from portal.services.paging import Column, Leaf, Place
from portal.services.paging import read as read_page
from portal.services.preflight_items import failed, gravest, kept, read
from portal.services.source_browsing import subject_of
from portal.services.source_check import Finding, State
from portal.statuses import ChoreStatus
from portal.sync.sources.rows import Scope

CHORE = "preflight"
#: The name under which what holds for the whole installation is kept.
EVERYWHERE = ""
#: Before this no source has documents worth an estimate.
FIRST_DAY = date(2000, 1, 1)
SORTS: Mapping[str, Column] = {"asked": Preflight.asked_at}
# A host whose clerk has not begun after so long is away.
_UNANSWERED = timedelta(minutes=5)
_LOOKED_BACK = 20


@dataclass(frozen=True, slots=True)
class Seen:
    """What a host found, as it is to be shown; ``pending`` until it has ended or is given up.

    ``at`` is when it ended, or was asked for when it has not.
    """

    host: str
    asked_by: str
    asked_at: datetime
    at: datetime
    state: State | Literal["pending"]
    findings: Sequence[Finding]
    chore: Chore | None

    @property
    def is_pending(self) -> bool:
        """Whether it may still come."""
        return self.state == "pending"


@dataclass(frozen=True, slots=True)
class Round:
    """One preflight with what came of it on every host."""

    preflight: Preflight
    hosts: Sequence[Seen]

    @property
    def state(self) -> State | Literal["pending"]:
        """The gravest of what was found; pending until all have ended."""
        if any(one.is_pending for one in self.hosts):
            return "pending"
        return gravest(one.state for one in self.hosts)


def begin(
    session: Session,
    source: DataSource,
    *,
    days: tuple[date, date],
    hosts: Sequence[str],
    by: str,
    now: datetime,
) -> Preflight:
    """A new preflight with an open report for each host and one for the whole installation."""
    preflight = Preflight(
        data_source_id=source.id,
        date_from=days[0],
        date_to=days[1],
        asked_by=by,
        asked_at=now,
        reports=[PreflightReport(host=host) for host in (EVERYWHERE, *hosts)],
    )
    session.add(preflight)
    session.flush()
    detail = {"hosts": len(hosts)}
    audit.record(session, "preflight.run", by=by, at=now, new=source.name[:40], detail=detail)
    return preflight


def have_done(session: Session, preflight: Preflight, *, by: str, now: datetime) -> None:
    """Ask the clerk of each host for its report."""
    for report in preflight.reports:
        if report.host == EVERYWHERE:
            continue
        report.chore_id = chores.ask(
            session,
            CHORE,
            by=by,
            now=now,
            subject=subject_of(preflight.data_source_id),
            params={"preflight": preflight.id},
            host=report.host,
        ).id


def record(
    session: Session,
    preflight_id: int,
    host: str,
    findings: Sequence[Finding],
    *,
    by: str,
    now: datetime,
) -> None:
    """Keep what a host found; what is kept already stays, so a clerk may do it twice."""
    report = session.scalars(
        select(PreflightReport)
        .where(PreflightReport.preflight_id == preflight_id, PreflightReport.host == host)
        .with_for_update()
    ).one()
    if report.ended_at is not None:
        return
    report.ended_at = now
    report.findings = kept(findings)
    report.state = gravest(finding.state for finding in findings)
    if report.state != "failed":
        return
    source = session.get_one(DataSource, report.preflight.data_source_id)
    codes = [one.code or one.check for one in findings if one.state == "failed"]
    detail = {"host": host or "*", "codes": codes}
    audit.record(session, "preflight.fail", by=by, at=now, new=source.name[:40], detail=detail)


def find(session: Session, preflight_id: int) -> Preflight:
    """
    :raises NotFound: when there is none
    """
    preflight = session.get(Preflight, preflight_id)
    if preflight is None:
        raise NotFound("没有这次检查", "there is no such check")
    return preflight


def unfinished(session: Session, source_id: int, *, now: datetime) -> Preflight | None:
    """The source's newest preflight, while some host is still at it."""
    newest = rounds(session, source_id, now=now, limit=1)
    return next((one.preflight for one in newest if one.state == "pending"), None)


def rounds(
    session: Session, source_id: int, *, now: datetime, limit: int = _LOOKED_BACK
) -> Sequence[Round]:
    """The source's last preflights, the newest first."""
    query = select(Preflight).where(Preflight.data_source_id == source_id)
    query = query.order_by(Preflight.id.desc()).limit(limit)
    found = session.scalars(query.options(selectinload(Preflight.reports))).all()
    return told(session, found, now=now)


def history(session: Session, source_id: int, place: Place, *, now: datetime) -> Leaf[Round]:
    """The source's preflights at a place of the list."""
    query = select(Preflight).where(Preflight.data_source_id == source_id)
    query = query.options(selectinload(Preflight.reports))
    leaf: Leaf[Preflight] = read_page(session, query, place, columns=SORTS, row_id=Preflight.id)
    return Leaf(told(session, leaf.rows, now=now), leaf.first, leaf.last)


def told(session: Session, found: Sequence[Preflight], *, now: datetime) -> Sequence[Round]:
    """Preflights with their reports, as they are to be shown."""
    ids = [report.chore_id for one in found for report in one.reports if report.ended_at is None]
    query = select(Chore).where(Chore.id.in_([number for number in ids if number is not None]))
    by_id = {chore.id: chore for chore in session.scalars(query)} if any(ids) else {}
    return [Round(one, [_seen(one, report, by_id, now) for report in one.reports]) for one in found]


def archived_bytes(session: Session, source_id: int, scope: Scope) -> int:
    """What lies in the archive of the source's documents of a scope."""
    query = (
        select(func.coalesce(func.sum(File.size), 0))
        .join(Document, Document.id == File.document_id)
        .where(
            Document.data_source_id == source_id,
            Document.archived_at.is_not(None),
            Document.collected_at >= scope.starts_at,
            Document.collected_at < scope.ends_at,
        )
    )
    return int(session.scalar(query) or 0)


def _seen(
    preflight: Preflight, report: PreflightReport, by_id: Mapping[int, Chore], now: datetime
) -> Seen:
    chore = by_id.get(report.chore_id or 0)
    state: State | Literal["pending"] = "pending"
    findings = read(report.findings)
    if report.ended_at is not None:
        state = gravest([report.state or ""])
    elif (unanswered := _unanswered(preflight, report, chore, now)) is not None:
        state, findings = unanswered.state, [unanswered]
    return Seen(
        host=report.host,
        asked_by=preflight.asked_by,
        asked_at=preflight.asked_at,
        at=report.ended_at or preflight.asked_at,
        state=state,
        findings=findings,
        chore=chore,
    )


def _unanswered(
    preflight: Preflight, report: PreflightReport, chore: Chore | None, now: datetime
) -> Finding | None:
    """Why nothing comes of it any more; none while it may.

    A host that is away keeps nobody from anything: whether there are workers is an item of its own.
    """
    if chore is not None and chore.error_code is not None:
        return failed("answer", SyncError(chore.error_code, **(chore.error_params or {})))
    is_under_way = chore is not None and chore.status is ChoreStatus.RUNNING
    may_begin = chore is None or chore.status is ChoreStatus.WAITING
    if is_under_way or (may_begin and now - preflight.asked_at < _UNANSWERED):
        return None
    return failed(
        "answer", SyncError("PREFLIGHT_NO_ANSWER", host=report.host or "*"), state="warning"
    )
