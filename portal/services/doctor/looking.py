"""All checks of an installation, in the order in which they are told; none brings it down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import DataSource
from portal.secret_box import SecretBox
from portal.services import beats, preflight_once
from portal.services.doctor import configured, host, ledger
from portal.services.months import whole_month
from portal.services.preflight_items import failed
from portal.services.preflight_once import Registration
from portal.services.readiness.checks import Check
from portal.services.readiness.watching import Readiness
from portal.services.source_check import Finding, check_source
from portal.settings import Settings
from portal.sync.archive.base import Archive
from portal.sync.archive.local import LocalArchive
from portal.sync.sources.rows import Scope

logger = logging.getLogger(__name__)

# What needs these two to be in order is not looked at otherwise: it would only say so again.
_NEEDED = frozenset({"ledger", "schema"})


def before_all(settings: Settings, archive: Archive) -> Iterator[Finding]:
    """What can be looked at without the ledger."""
    root = archive.root if isinstance(archive, LocalArchive) else None
    yield from _kept("host", partial(host.host_findings, settings.home, root))
    yield from _kept("settings", partial(configured.settings_findings, settings))
    yield from _kept("secrets", partial(configured.secrets_findings, settings))


def of_installation(
    readiness: Readiness,
    book: Ledger,
    settings: Settings,
    registrations: Callable[[], Sequence[Registration]],
    *,
    now: datetime,
) -> Iterator[Finding]:
    """What ``/readyz`` asks, and what only the ledger can tell."""
    checks = readiness.look()
    yield from map(_finding, checks)
    if not all(check.ok for check in checks if check.name in _NEEDED):
        return

    def asked(look: Callable[[Session], Iterable[Finding]]) -> Iterator[Finding]:
        with book.read() as session:
            yield from look(session)

    families: Sequence[tuple[str, Callable[[], Iterable[Finding]]]] = (
        ("ledger_file", partial(ledger.file_findings, book)),
        ("processes", partial(asked, partial(_processes, now=now))),
        ("executor", lambda: [preflight_once.executor(registrations())]),
        ("work", partial(asked, partial(ledger.work_findings, now=now))),
        ("trail", partial(asked, partial(ledger.trail_findings, home=settings.home, now=now))),
        ("backup", partial(asked, partial(ledger.backup_findings, now=now))),
    )
    for name, look in families:
        yield from _kept(name, look)


def of_sources(
    book: Ledger, box: SecretBox, settings: Settings, *, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    """Whether each data source in use can be migrated from, by this month's documents."""
    zone: ZoneInfo = settings.timezone
    month = whole_month(clock().astimezone(zone).date(), zone)
    with book.read() as session:
        sources = session.scalars(select(DataSource).where(DataSource.enabled)).all()
    for source in sources:
        report = check_source(
            source, box, settings.home, Scope(month.starts_at, month.ends_at), clock=clock
        )
        if report.error is not None:
            yield failed(f"source {source.name}", report.error)
            continue
        zh, en = f"可用，本月 {report.documents} 份", f"fine, {report.documents} this month"
        yield Finding(f"source {source.name}", "ok", zh, en)


def _processes(session: Session, *, now: datetime) -> Iterator[Finding]:
    """The two kinds without which work goes on, but people wait in vain."""
    alive = [one.kind for one in beats.alive(session, now=now)]
    for kind in ("web", "clerk"):
        if kind in alive:
            count = alive.count(kind)
            yield Finding(kind, "ok", f"{count} 个", f"{count}")
        else:
            yield failed(kind, SyncError("PROCESS_NONE", kind=kind), state="warning")


def _finding(check: Check) -> Finding:
    zh, en = check.detail
    if check.ok:
        return Finding(check.name, "ok", zh or "正常", en or "fine")
    params: dict[str, Any] = dict(check.params)
    return failed(check.name, SyncError(check.code, **params))


def _kept(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a family finds; what it fails on is a finding too."""
    try:
        yield from look()
    except Exception as error:  # the doctor must go on whatever it finds
        logger.exception("the checks of %s failed", name)
        yield failed(name, SyncError("INTERNAL", detail=type(error).__name__))
