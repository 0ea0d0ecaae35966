"""Trying a data source out: token or access, count, listing, one file and what it is, and for one
reached by HTTP its clock and certificate."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import requests

from portal.errors import SyncError, action, reason
from portal.models import DataSource
from portal.secret_box import SecretBox
from portal.services.opening import OpenSource, open_source
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.one_file import fetch_one, inspect_one, nameless_file
from portal.sync.sources.kinds import kind_of
from portal.sync.sources.rows import Scope, SourceFile

#: The sign of the token call carries our time; sources refuse one that is far off.
MOST_SKEW_SECONDS = 60
#: A certificate that expires within so many days is worth a word.
EXPIRY_DAYS = 30
_ABSENT = frozenset({"SRC_FILE_MISSING", "SRC_FILE_UNSAFE", "SRC_NOT_FOUND"})
_OF_A_CONNECTION = frozenset({"SRC_CONNECTION", "SRC_PROXY", "SRC_CUT"})
_OF_THE_PROXY = 407

State = Literal["ok", "warning", "failed", "skipped"]
_Said: TypeAlias = tuple[State, str, str]
#: Files of the first page that are looked for, where that costs little.
MOST_LOOKED_FOR = 50
_MOST_NAMED = 3
_GRAVITY: Sequence[State] = ("failed", "warning", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step of the check found, why, what to do about it, and how long it took.

    ``code`` is that of the catalogue, for a failure; ``seconds`` is None where nothing was asked.
    """

    check: str
    state: State
    zh: str
    en: str
    todo_zh: str = ""
    todo_en: str = ""
    code: str | None = None
    seconds: float | None = None


@dataclass(slots=True)
class SourceReport:
    """What was found; ``error`` is the first failure, None when the source can be migrated from.

    ``documents`` is the source's count, ``file_bytes`` the size of the fetched file,
    ``skew_seconds`` how far the source's clock is ahead; each None when it was not learned.
    """

    findings: list[Finding] = field(default_factory=list)
    error: SyncError | None = None
    documents: int | None = None
    file_bytes: int | None = None
    skew_seconds: int | None = None
    tls_expires_at: datetime | None = None

    @property
    def state(self) -> State:
        """The gravest of what was found; that no file was there to try is worth a warning."""
        states = {finding.state for finding in self.findings}
        if any(one.check == "file" and one.state == "skipped" for one in self.findings):
            states.add("warning")
        return next((state for state in _GRAVITY if state in states), "skipped")

    def add(self, check: str, state: State, zh: str, en: str, **more: Any) -> None:
        """Note a finding."""
        self.findings.append(Finding(check, state, zh, en, **more))


def check_source(
    source: DataSource,
    box: SecretBox,
    home: Path,
    scope: Scope,
    *,
    clock: Callable[[], datetime],
    on_step: Callable[[int], None] = lambda _done: None,
) -> SourceReport:
    """Try everything a migration of ``scope`` needs, once, the way a migration does it.

    :param on_step: hears how many of :func:`steps_of` it are done
    :raises SecretUnreadable: when a secret was stored with another key
    """
    report, heads = SourceReport(), _Heads(clock)
    opened = open_source(source, box, home, on_answer=heads.see)
    try:
        rules = CompatibilityRules.from_mapping(source.rules)
        with nameless_file(home) as content:
            trial = _Trial(report, opened, scope, rules, content)
            trial.run(steps_of(source), on_step)
    finally:
        opened.close()
    if kind_of(source.kind).has_login:
        _judge_clock(report, heads)
        _judge_certificate(report, heads, source.base_url, clock())
    return report


def steps_of(source: DataSource) -> Sequence[str]:
    """What is asked of a source of its kind, in this order."""
    return kind_of(source.kind).trial


class _Trial:
    """The steps of its kind, one after the other; what comes after a failure is not tried."""

    def __init__(
        self,
        report: SourceReport,
        opened: OpenSource,
        scope: Scope,
        rules: CompatibilityRules,
        content: BinaryIO,
    ) -> None:
        self._report = report
        self._opened = opened
        self._scope = scope
        self._rules = rules
        self._content = content
        self._files: list[SourceFile] = []
        self._problems: list[SyncError] = []

    @property
    def _file(self) -> SourceFile | None:
        return next(iter(self._files), None)

    def run(self, steps: Sequence[str], on_step: Callable[[int], None]) -> None:
        """Try one after the other and note what each of them found."""
        for done, step in enumerate(steps):
            on_step(done)
            started = time.monotonic()
            try:
                state, zh, en = self._try_twice(step)
            except SyncError as error:
                self._fail(step, error, time.monotonic() - started)
                return
            seconds = time.monotonic() - started
            self._report.add(step, state, zh, en, seconds=round(seconds, 2))
        on_step(len(steps))

    def _fail(self, step: str, error: SyncError, seconds: float) -> None:
        """A file that is not accepted is a failure of that document, and no more than a warning."""
        of_document = step == "inspection"
        if not of_document:
            self._report.error = error
        zh, en = (reason(error.code, error.params, name) for name in ("zh", "en"))
        self._report.add(
            step,
            "warning" if of_document else "failed",
            f"{error.code} {zh}",
            f"{error.code} {en}",
            todo_zh=action(error.code, error.params, "zh"),
            todo_en=action(error.code, error.params, "en"),
            code=error.code,
            seconds=round(seconds, 2),
        )

    def _try_twice(self, step: str) -> _Said:
        """A kept connection that was closed at the other end costs one try and is no finding."""
        try:
            return self._try(step)
        except SyncError as error:
            if error.code not in _OF_A_CONNECTION:
                raise
            return self._try(step)

    def _try(self, step: str) -> _Said:
        tries: Mapping[str, Callable[[], _Said]] = {
            "token": self._token,
            "access": self._access,
            "metadata": self._judge_metadata,
            "presence": self._look_for_files,
            "count": self._count,
            "listing": self._listing,
            "file": self._fetch,
            "inspection": self._inspect,
        }
        return tries[step]()

    def _token(self) -> _Said:
        self._opened.source.token()
        return "ok", "已取得令牌", "a token was issued"

    def _access(self) -> _Said:
        self._opened.source.check()
        return "ok", "可以读取", "it can be read"

    def _count(self) -> _Said:
        counted = self._opened.source.count(self._scope)
        self._report.documents = counted.documents
        zh, en = f"{counted.documents} 份单据", f"{counted.documents} documents"
        if counted.files is not None:
            zh, en = f"{zh}、{counted.files} 个文件", f"{en}, {counted.files} files"
        return "ok", zh, en

    def _listing(self) -> _Said:
        page = self._opened.source.page(self._scope, 1)
        sound = (document for document in page.documents if document.problem is None)
        self._files = [file for document in sound for file in document.files]
        self._problems = [one.problem for one in page.documents if one.problem is not None]
        return "ok", f"共 {page.total} 份单据", f"{page.total} documents in all"

    def _judge_metadata(self) -> _Said:
        """What is wrong with documents of the first page as they are listed."""
        if not self._problems:
            return "ok", "第一页各单据的数据无误", "no document of the first page is faulty"
        count, first = len(self._problems), self._problems[0]
        zh, en = (reason(first.code, first.params, name) for name in ("zh", "en"))
        return (
            "warning",
            f"第一页有 {count} 份单据的数据有误，如 {first.code} {zh}",
            f"{count} documents of the first page are faulty, one of them: {first.code} {en}",
        )

    def _look_for_files(self) -> _Said:
        """Whether files that are listed are there, without fetching them."""
        look, files = self._opened.look, self._files[:MOST_LOOKED_FOR]
        if look is None or not files:
            return "skipped", "没有可逐个查看的文件", "there are no files to look for"
        absent = []
        for file in files:
            try:
                look(file)
            except SyncError as error:
                if error.code not in _ABSENT:
                    raise
                absent.append(file.download_url or file.file_id)
        count = len(files)
        if not absent:
            return "ok", f"查看了 {count} 个文件，都在", f"{count} files were looked for, all there"
        named = "、".join(absent[:_MOST_NAMED])
        return (
            "warning",
            f"查看了 {count} 个文件，{len(absent)} 个不在：{named}",
            f"{count} files were looked for, {len(absent)} are not there: {named}",
        )

    def _fetch(self) -> _Said:
        if self._file is None:
            zh = "该月没有列出任何文件，下载未经测试；请另选一个有单据的月份"
            return "skipped", zh, "no file is listed in that month; name another month"
        opened, limit = self._opened, self._rules.max_bytes
        size = fetch_one(opened.source, opened.downloader, self._file, limit, self._content)
        self._report.file_bytes = size
        name = self._file.name
        return "ok", f"已取得 {name}，{size} 字节", f"{name} was fetched, {size} bytes"

    def _inspect(self) -> _Said:
        if self._file is None:
            return "skipped", "没有文件可检查", "there is no file to check"
        facts = inspect_one(self._file, self._content, self._rules)
        parts = [facts.kind]
        if facts.width is not None:
            parts.append(f"{facts.width}×{facts.height}")
        if facts.dpi is not None:
            parts.append(f"{facts.dpi} DPI")
        told = ", ".join(parts)
        return "ok", f"类型、内容检查通过：{told}", f"its type and content pass: {told}"


def _judge_clock(report: SourceReport, heads: _Heads) -> None:
    skew = report.skew_seconds = heads.skew_seconds
    if skew is None:
        zh, en = "源系统没有给出时间", "the source told no time"
        report.add("clock", "skipped", zh, en)
    elif abs(skew) <= MOST_SKEW_SECONDS:
        zh, en = f"与源系统相差 {abs(skew)} 秒", f"{abs(skew)} s from the source's"
        report.add("clock", "ok", zh, en)
    else:
        slow = skew > 0
        way = "慢" if slow else "快"
        zh = f"本机时间比源系统{way} {abs(skew)} 秒，签名可能因此被拒绝"
        way = "behind" if slow else "ahead of"
        en = f"this clock is {abs(skew)} s {way} the source's, which may refuse our sign"
        todo_zh = "校准本机时间（NTP）；若是源系统的时间不对，请联系其管理员"
        todo_en = "Set this host's clock (NTP); if the source's is wrong, tell its administrator"
        report.add("clock", "warning", zh, en, todo_zh=todo_zh, todo_en=todo_en)


def _judge_certificate(report: SourceReport, heads: _Heads, base_url: str, now: datetime) -> None:
    expires = report.tls_expires_at = heads.expires_at
    if not base_url.startswith("https:"):
        zh, en = "不是 https，没有证书", "not https, so there is no certificate"
        report.add("certificate", "skipped", zh, en)
    elif expires is None:
        zh, en = "没有看到证书", "no certificate was seen"
        report.add("certificate", "skipped", zh, en)
    else:
        days = (expires - now).days
        zh = f"证书 {expires:%Y-%m-%d} 到期，还有 {days} 天"
        en = f"expires on {expires:%Y-%m-%d}, in {days} days"
        if days >= EXPIRY_DAYS:
            report.add("certificate", "ok", zh, en)
            return
        todo_zh = "请源系统的管理员更换证书；由内部机构签发的，也更新这里的私有证书"
        todo_en = "Have the source's administrator renew it; update the private CA here if need be"
        report.add("certificate", "warning", zh, en, todo_zh=todo_zh, todo_en=todo_en)


class _Heads:
    """What the heads of the source's answers tell besides: its clock, its certificate."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.skew_seconds: int | None = None
        self.expires_at: datetime | None = None

    def see(self, answer: requests.Response) -> None:
        """Look at one; its body has not been read yet, so its connection is still there."""
        if answer.status_code == _OF_THE_PROXY:
            return
        try:
            told = parsedate_to_datetime(answer.headers.get("Date", ""))
            self.skew_seconds = round((told - self._clock()).total_seconds())
        except (ValueError, TypeError):
            pass  # none told, or nonsense
        socket = getattr(answer.raw.connection, "sock", None)
        certificate: dict[str, Any] = getattr(socket, "getpeercert", dict)()
        if certificate:
            seconds = ssl.cert_time_to_seconds(certificate["notAfter"])
            self.expires_at = datetime.fromtimestamp(seconds, UTC)
