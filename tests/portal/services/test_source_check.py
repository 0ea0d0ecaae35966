"""Trying a data source out, against the source of another make."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portal.models import DataSource, utc_now
from portal.secret_box import SecretBox
from portal.services.source_check import SourceReport, check_source
from portal.sync.sources.piaozone import KIND
from portal.sync.sources.rows import Scope
from tests.certificates import Authority
from tests.other_source import APP_KEY, APP_SECRET, OtherSource, PictureHost

BOX = SecretBox("k" * 32)
EXAMPLE = Path(__file__).parents[3] / "docs" / "zh" / "连接配置示例.json"
JANUARY = Scope(datetime(2023, 12, 31, 16, tzinfo=UTC), datetime(2024, 1, 31, 16, tzinfo=UTC))
JULY = Scope(datetime(2026, 6, 30, 16, tzinfo=UTC), datetime(2026, 7, 31, 16, tzinfo=UTC))
Check = Callable[..., SourceReport]


@pytest.fixture
def check(tmp_path: Path) -> Iterator[Check]:
    """Checks the source; served by https with a certificate of so many ``days``, if any."""
    with ExitStack() as stack:

        def check(
            scope: Scope = JANUARY,
            *,
            days: int | None = None,
            ahead: timedelta = timedelta(),
            spoil: Callable[[OtherSource], object] = id,
            **settings: Any,
        ) -> SourceReport:
            authority = Authority(tmp_path)
            tls = None if days is None else authority.server("127.0.0.1", days=days)
            pictures = stack.enter_context(closing(PictureHost()))
            other = stack.enter_context(closing(OtherSource(pictures, tls)))
            spoil(other)
            source = DataSource(
                kind="piaozone",
                name="x",
                base_url=other.base_url,
                client_id=APP_KEY,
                secret_box=BOX.close(settings.pop("secret", APP_SECRET)),
                download_hosts=["localhost"],
                profile=json.loads(EXAMPLE.read_text("utf-8")),
                rules={},
                concurrency_cap=None,
                ca_pem=authority.pem,
                windows=[],
            )
            home = tmp_path / "home"
            return check_source(source, BOX, home, scope, clock=lambda: utc_now() + ahead)

        yield check


def states(report: SourceReport) -> dict[str, str]:
    for finding in report.findings:
        assert finding.zh
        assert not finding.zh.isascii()
        assert finding.en
    return {finding.check: finding.state for finding in report.findings}


def test_a_source_that_is_well(check: Check) -> None:
    report = check(days=90)
    assert report.error is None
    assert states(report) == dict.fromkeys((*KIND.trial, "clock", "certificate"), "ok")
    assert report.documents == 13
    assert (report.file_bytes or 0) > 0
    assert abs(report.skew_seconds or 0) <= 2
    assert report.tls_expires_at is not None
    assert timedelta(89) < report.tls_expires_at - utc_now() <= timedelta(90)


def test_what_there_is_none_of_is_said(check: Check) -> None:
    report = check(JULY)
    assert report.error is None
    found = states(report)
    assert (found["file"], found["inspection"]) == ("skipped", "skipped")
    assert (found["certificate"], report.state) == ("skipped", "warning")
    assert (report.documents, report.file_bytes, report.tls_expires_at) == (0, None, None)


def test_what_will_soon_be_trouble_is_said(check: Check) -> None:
    report = check(days=10, ahead=timedelta(minutes=7))
    assert report.error is None
    found = states(report)
    assert (found["clock"], found["certificate"]) == ("warning", "warning")
    assert report.skew_seconds == pytest.approx(-420, abs=5)
    assert "快" in next(one.zh for one in report.findings if one.check == "clock")


def test_refused_credentials_end_the_check_and_the_clock_is_told_all_the_same(
    check: Check,
) -> None:
    report = check(secret="wrong")
    assert report.error is not None
    assert report.error.code == "SRC_CREDENTIALS"
    assert states(report) == {"token": "failed", "clock": "ok", "certificate": "skipped"}


def test_a_file_that_does_not_come_is_a_failure(check: Check) -> None:
    def lose(other: OtherSource) -> None:
        other.bills[0].pictures[0].body = b""

    report = check(spoil=lose)
    assert report.error is not None
    assert report.error.code == "SRC_EMPTY"
    assert states(report)["file"] == "failed"
