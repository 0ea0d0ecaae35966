"""确保前提, from where a worker stands: the source, what it lists, the room and the archive."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from portal.errors import SyncError
from portal.models import DataSource
from portal.secret_box import SecretBox, SecretUnreadable
from portal.services.months import whole_month
from portal.services.opening import open_source
from portal.services.preflight_items import failed
from portal.services.source_check import EXPIRY_DAYS, Finding, check_source, steps_of
from portal.services.sources import connection_of
from portal.sync.archive.base import Archive
from portal.sync.reach import Place, Reached, places_of, reach
from portal.sync.sources.connection import Connection
from portal.sync.sources.rows import Count, Scope

#: Room beyond what the source counts: previews, drafts, and what is added meanwhile.
MARGIN = 1.2
# The certificate is looked at where every host is reached, also behind a proxy.
_SEEN_ELSEWHERE = "certificate"

OnStep = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the check is about.

    :param whole: all that is to be migrated, whose size is compared with the room there is
    :param archived_bytes: of these, what lies in the archive already
    :param month: whose documents listing and download are tried with, ``yyyy-MM``, when the source
        does not tell by month what it counts
    """

    whole: Scope
    archived_bytes: int
    month: str


class HostCheck:
    """One look at everything that a migration needs of this host.

    :param on_step: hears how many of how many steps are done
    """

    def __init__(
        self,
        source: DataSource,
        wanted: Wanted,
        *,
        box: SecretBox,
        archive: Archive,
        home: Path,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
        on_step: OnStep = lambda _done, _total: None,
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._box = box
        self._archive = archive
        self._home = home
        self._zone = zone
        self._clock = clock
        self._on_step = on_step
        self._findings: list[Finding] = []
        self._counted: Count | SyncError = Count(0, 0, 0, ())
        self._count_seconds = 0.0

    def run(self) -> list[Finding]:
        """What was found, item by item; whatever fails is a finding."""
        try:
            connection = connection_of(self._source, self._box)
        except SecretUnreadable:
            self._findings.append(failed("token", SyncError("SECRET_UNREADABLE")))
            self._add_archive()
            return self._findings
        # A source that is not reached by HTTP has no places: a folder, a database.
        places = [(connection, place) for place in places_of(connection)] if connection else []
        total = len(places) + len(steps_of(self._source)) + 3
        for done, (through, place) in enumerate(places):
            self._on_step(done, total)
            self._findings.append(reachable(through, place, self._clock))
        self._on_step(len(places), total)
        self._count()
        self._try_source(len(places) + 1, total)
        self._on_step(total - 2, total)
        self._findings.append(self._space())
        self._on_step(total - 1, total)
        self._add_archive()
        return self._findings

    def _count(self) -> None:
        """Ask for the size of it all, which also tells in which months there are documents."""
        started = time.monotonic()
        opened = open_source(self._source, self._box, self._home)
        try:
            self._counted = opened.source.count(self._wanted.whole)
        except SyncError as error:
            self._counted = error
        finally:
            opened.close()
        self._count_seconds = _since(started)

    def _try_source(self, before: int, total: int) -> None:
        report = check_source(
            self._source,
            self._box,
            self._home,
            self._trial(),
            clock=self._clock,
            on_step=lambda done: self._on_step(before + done, total),
        )
        self._findings += [one for one in report.findings if one.check != _SEEN_ELSEWHERE]

    def _trial(self) -> Scope:
        """The last month that has documents."""
        groups = () if isinstance(self._counted, SyncError) else self._counted.groups
        months = [group.month for group in groups if group.documents]
        day = date.fromisoformat(f"{max(months, default=self._wanted.month)}-01")
        month = whole_month(day, self._zone)
        return Scope(month.starts_at, month.ends_at)

    def _space(self) -> Finding:
        """Whether what is still to come fits into the archive."""
        counted, seconds = self._counted, self._count_seconds
        if isinstance(counted, SyncError):
            more = ("；因此无法估算所需空间", "; so the room needed is not known")
            return failed("space", counted, state="warning", more=more, seconds=seconds)
        free = self._archive.free_bytes()
        if free is None:
            zh, en = "归档不报告剩余空间", "the archive does not tell its free space"
            return Finding("space", "skipped", zh, en, seconds=seconds)
        if counted.bytes is None or (counted.documents and not counted.bytes):
            return Finding(
                "space",
                "warning",
                f"源系统没有给出字节数，无法估算；归档剩余 {amount(free)}",
                f"the source tells no bytes, so nothing can be estimated; {amount(free)} is free",
                todo_zh="请按源系统中已使用的存储空间人工核对",
                todo_en="Compare it by hand with the storage used at the source",
                seconds=seconds,
            )
        need = round(max(0, counted.bytes - self._wanted.archived_bytes) * MARGIN)
        if need > free:
            short = SyncError("ARCHIVE_SPACE_SHORT", need=amount(need), free=amount(free))
            return failed("space", short, seconds=seconds)
        percent = round((MARGIN - 1) * 100)
        return Finding(
            "space",
            "ok",
            f"源系统统计 {amount(counted.bytes)}，已归档 {amount(self._wanted.archived_bytes)}，"
            f"还需约 {amount(need)}（含 {percent}% 余量），剩余 {amount(free)}",
            f"{amount(counted.bytes)} at the source, {amount(self._wanted.archived_bytes)} "
            f"archived, about {amount(need)} needed ({percent} % margin), {amount(free)} free",
            seconds=seconds,
        )

    def _add_archive(self) -> None:
        started = time.monotonic()
        try:
            self._archive.probe(0)
        except SyncError as error:
            self._findings.append(failed("archive", error, seconds=_since(started)))
        else:
            zh, en = (
                "已写入、落盘并删除一个试验文件",
                "a trial file was written, flushed and removed",
            )
            self._findings.append(Finding("archive", "ok", zh, en, seconds=_since(started)))


def reachable(connection: Connection, place: Place, clock: Callable[[], datetime]) -> Finding:
    """Whether a host of the source can be reached; of one whose port is a guess, no failure."""
    started = time.monotonic()
    try:
        reached = reach(connection, place)
    except SyncError as raised:
        error = _named(raised, place)
        if place.is_guess:
            more = (
                f"；下载主机 {place.host} 没有写端口，试的是 {place.port}",
                f"; no port is set for {place.host}, {place.port} was tried",
            )
            return failed("reach", error, seconds=_since(started), state="warning", more=more)
        return failed("reach", error, seconds=_since(started))
    return _reached(place, reached, clock(), _since(started))


def _named(error: SyncError, place: Place) -> SyncError:
    """The error with the host it is about: a download host's is not the source's own."""
    match error.code:
        case "SRC_CONNECTION":
            detail = str(error.params["detail"]).removeprefix(f"{place}: ")
        case "SRC_TIMEOUT":
            detail = f"no answer within {error.params['seconds']} s"
        case _:
            return error
    return SyncError("HOST_UNREACHABLE", where=str(place), detail=detail)


def _reached(place: Place, reached: Reached, now: datetime, seconds: float) -> Finding:
    via = "、".join(reached.addresses) or "经代理"
    via_en = ", ".join(reached.addresses) or "by the proxy"
    zh, en = f"{place} 可达（{via}）", f"{place} answers ({via_en})"
    expires = reached.tls_expires_at
    if expires is None:
        return Finding("reach", "ok", zh, en, seconds=seconds)
    days = (expires - now).days
    zh += f"，证书 {expires:%Y-%m-%d} 到期，还有 {days} 天"
    en += f"; its certificate expires on {expires:%Y-%m-%d}, in {days} days"
    if days >= EXPIRY_DAYS:
        return Finding("reach", "ok", zh, en, seconds=seconds)
    todo_zh = "请该主机的管理员更换证书；由内部机构签发的，也更新数据源的私有证书"
    todo_en = "Have its administrator renew it; update the data source's private CA if need be"
    return Finding("reach", "warning", zh, en, todo_zh=todo_zh, todo_en=todo_en, seconds=seconds)


def amount(size: float) -> str:
    """Bytes in a unit that fits, such as ``1.9 GB``."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"


def _since(started: float) -> float:
    return round(time.monotonic() - started, 2)
