"""The ledger from within: its file, and what has been waiting in it for longer than it should."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from executor.overview import reporting
from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import Batch, BatchItem, Notice
from portal.services import backups, holds
from portal.services.anchor_file import NAME
from portal.services.preflight_host import amount
from portal.services.preflight_items import failed
from portal.services.sealing import seal_state
from portal.services.source_check import Finding, State
from portal.statuses import ItemStatus, NoticeStatus, RunStatus

WAL_BYTES = 1_000_000_000
"""A write-ahead log of this size is no longer folded back: somebody reads for too long."""
_STALE = timedelta(minutes=5)
_LATE = timedelta(minutes=10)
_UNSEALED = timedelta(seconds=60)
BACKUP_AGE = timedelta(hours=26)
"""A nightly backup, and two hours."""
_WARN: State = "warning"


def file_findings(ledger: Ledger) -> Iterator[Finding]:
    """The file of a SQLite ledger; other databases look after themselves."""
    path = ledger.url.database
    if ledger.url.get_backend_name() != "sqlite" or not path:
        zh, en = "由数据库服务器负责", "the database server's own affair"
        yield Finding("ledger_file", "skipped", zh, en)
        return
    with ledger.read() as session:
        said = session.scalar(text("PRAGMA quick_check(1)"))
    if said != "ok":
        yield failed("ledger_file", SyncError("LEDGER_DAMAGED", detail=str(said)[:160]))
        return
    wal = Path(f"{path}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > WAL_BYTES:
        yield failed("ledger_file", SyncError("LEDGER_WAL", size=amount(size)), state=_WARN)
        return
    whole = amount(Path(path).stat().st_size)
    yield Finding("ledger_file", "ok", f"完好，{whole}", f"sound, {whole}")


def work_findings(session: Session, *, now: datetime) -> Iterator[Finding]:
    """What waits for longer than any rule allows, or for a person."""
    running = select(Batch.id).where(Batch.run_status == RunStatus.RUNNING)
    stale = session.scalar(
        select(func.count())
        .select_from(BatchItem)
        .where(
            BatchItem.batch_id.in_(running),
            BatchItem.status == ItemStatus.PENDING,
            BatchItem.lease_owner.is_not(None),
            BatchItem.next_try_at < now - _STALE,
        )
    )
    yield _counted("leases", "LEASES_STALE", stale or 0, ("没有", "none"))
    open_holds = holds.in_force(session)
    yield _counted("holds", "HOLDS_OPEN", len(open_holds), ("没有", "none"))
    late = session.scalar(
        select(func.count())
        .select_from(Notice)
        .where(
            (Notice.status == NoticeStatus.FAILED)
            | ((Notice.status == NoticeStatus.WAITING) & (Notice.created_at < now - _LATE))
        )
    )
    yield _counted("notices", "NOTICES_WAITING", late or 0, ("都已送达", "all delivered"))
    _, backlog = reporting(session)
    is_late = backlog.oldest_at is not None and backlog.oldest_at < now - _LATE
    waiting = backlog.count if is_late else 0
    yield _counted("results", "RESULTS_WAITING", waiting, ("都已送达", "all delivered"))


def trail_findings(session: Session, home: Path, *, now: datetime) -> Iterator[Finding]:
    """Whether the trail is sealed in time, and its anchors leave the database."""
    state = seal_state(session)
    oldest = state.oldest_unsealed_at
    if oldest is not None and oldest < now - _UNSEALED:
        yield failed("trail", SyncError("SEALING_LATE", count=state.unsealed, since=f"{oldest}"))
    else:
        said = f"{state.sealed}"
        yield Finding("trail", "ok", f"已封存 {said} 条", f"{said} events sealed")
    if state.anchor is not None and not (home / NAME).exists():
        yield failed("anchors", SyncError("ANCHORS_ABSENT", path=str(home / NAME)), state=_WARN)
    else:
        shown = str(state.anchor or "—")
        yield Finding("anchors", "ok", f"最新 {shown}", f"newest {shown}")


def backup_findings(session: Session, *, now: datetime) -> Iterator[Finding]:
    """How old the newest backup is."""
    newest = backups.newest(session)
    if newest is None:
        yield failed("backup", SyncError("BACKUP_NONE"), state=_WARN)
        return
    if now - newest.as_of > BACKUP_AGE:
        hours = round((now - newest.as_of) / timedelta(hours=1))
        yield failed("backup", SyncError("BACKUP_OLD", hours=hours), state=_WARN)
        return
    said = f"{newest.as_of:%Y-%m-%d %H:%M} UTC，{newest.place}"
    yield Finding("backup", "ok", said, said.replace("，", ", "))


def _counted(check: str, code: str, count: int, none: tuple[str, str]) -> Finding:
    if count:
        return failed(check, SyncError(code, count=count), state=_WARN)
    return Finding(check, "ok", *none)
