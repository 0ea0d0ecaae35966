"""Trying a data source out: token, count, listing, one file, its clock and its certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import requests

from portal.errors import SyncError, reason
from portal.models import DataSource
from portal.secret_box import SecretBox
from portal.services.opening import OpenSource, open_source
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.one_file import fetch_one
from portal.sync.sources.rows import Page, Scope

#: The sign of the token call carries our time; sources refuse one that is far off.
MOST_SKEW_SECONDS = 60
#: A certificate that expires within so many days is worth a word.
EXPIRY_DAYS = 30
_OF_THE_PROXY = 407

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step of the check found, and why."""

    check: str
    state: State
    zh: str
    en: str


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

    def add(self, check: str, state: State, zh: str, en: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(check, state, zh, en))


def check_source(
    source: DataSource, box: SecretBox, home: Path, scope: Scope, *, clock: Callable[[], datetime]
) -> SourceReport:
    """Try everything a migration of ``scope`` needs, once, the way a migration does it.

    :raises SecretUnreadable: when a secret was stored with another key
    """
    report, heads = SourceReport(), _Heads(clock)
    opened = open_source(source, box, home, on_answer=heads.see)
    try:
        _try_calls(report, opened, scope, CompatibilityRules.from_mapping(source.rules).max_bytes)
    finally:
        opened.close()
    _judge_clock(report, heads)
    _judge_certificate(report, heads, source.base_url, clock())
    return report


def _try_calls(report: SourceReport, opened: OpenSource, scope: Scope, limit: int) -> None:
    """Token, count, page and file; what comes after a failure is not tried."""
    step = "token"
    try:
        opened.source.token()
        report.add("token", "ok", "已取得令牌", "a token was issued")
        step = "count"
        report.documents = opened.source.count(scope).documents
        told = (f"{report.documents} 份单据", f"{report.documents} documents")
        report.add("count", "ok", *told)
        step = "listing"
        page = opened.source.page(scope, 1)
        report.add("listing", "ok", f"共 {page.total} 份单据", f"{page.total} documents in all")
        step = "file"
        _try_file(report, opened, page, limit)
    except SyncError as error:
        report.error = error
        zh, en = (f"{error.code} {reason(error.code, error.params, name)}" for name in ("zh", "en"))
        report.add(step, "failed", zh, en)


def _try_file(report: SourceReport, opened: OpenSource, page: Page, limit: int) -> None:
    sound = (document for document in page.documents if document.problem is None)
    files = [file for document in sound for file in document.files]
    if not files:
        zh = "该月没有列出任何文件，下载未经测试；可用 --month 指定有单据的月份"
        report.add("file", "skipped", zh, "no file is listed in that month; name another --month")
        return
    size = fetch_one(opened.source, opened.downloader, files[0], limit)
    report.file_bytes = size
    name = files[0].name
    report.add("file", "ok", f"已取得 {name}，{size} 字节", f"{name} was fetched, {size} bytes")


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
        zh = f"本机时间比源系统{way} {abs(skew)} 秒，签名可能因此被拒绝；请校准时间"
        way = "behind" if slow else "ahead of"
        en = f"this clock is {abs(skew)} s {way} the source's, which may refuse our sign; set it"
        report.add("clock", "warning", zh, en)


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
        report.add("certificate", "ok" if days >= EXPIRY_DAYS else "warning", zh, en)


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
