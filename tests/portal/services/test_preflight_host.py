"""What a worker host finds of source, downloads and archive; each item is made to fail for real."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from portal.models import DataSource, utc_now
from portal.secret_box import SecretBox
from portal.services.preflight_host import HostCheck, Wanted
from portal.services.source_check import Finding
from portal.sync.archive.local import LocalArchive
from portal.sync.sources.rows import Scope
from tests.certificates import Authority
from tests.other_source import APP_KEY, APP_SECRET, OtherSource, PictureHost
from tests.portal.views.page_rules import CHINESE
from tests.proxy_server import ProxyServer

BOX = SecretBox("k" * 32)
EXAMPLE = Path(__file__).parents[3] / "docs" / "zh" / "连接配置示例.json"
WHOLE = Scope(datetime(2023, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
Check = Callable[..., list[Finding]]


class SmallArchive(LocalArchive):
    """A real one on a disk that is nearly full."""

    def free_bytes(self) -> int:
        return 100


@pytest.fixture
def check(tmp_path: Path) -> Iterator[Check]:
    """Looks at a source, https when its certificate is good for so many ``days``."""
    with ExitStack() as stack:

        def check(
            *,
            days: int | None = None,
            hosts: tuple[str, ...] = (),
            archive: LocalArchive | None = None,
            archived: int = 0,
            steps: list[tuple[int, int]] | None = None,
            spoil: Callable[[OtherSource], object] = id,
            **settings: Any,
        ) -> list[Finding]:
            authority = Authority(tmp_path)
            tls = None if days is None else authority.server("127.0.0.1", "localhost", days=days)
            pictures = stack.enter_context(closing(PictureHost(tls)))
            other = stack.enter_context(closing(OtherSource(pictures, tls)))
            spoil(other)
            proxy = settings.pop("proxy", "")
            source = DataSource(
                kind="piaozone",
                name="x",
                base_url=other.base_url,
                client_id=APP_KEY,
                secret_box=settings.pop(
                    "secret_box", BOX.close(settings.pop("secret", APP_SECRET))
                ),
                download_hosts=[pictures.origin.partition("//")[2], *hosts],
                profile=json.loads(EXAMPLE.read_text("utf-8")),
                rules={},
                proxy_address=proxy or None,
                proxy_box=BOX.close(proxy) if proxy else None,
                ca_pem=settings.pop("ca_pem", authority.pem),
                windows=[],
            )
            return HostCheck(
                source,
                Wanted(whole=WHOLE, archived_bytes=archived, month="2026-06"),
                box=BOX,
                archive=archive or LocalArchive(tmp_path / "archive"),
                home=tmp_path / "home",
                zone=ZoneInfo("Asia/Shanghai"),
                clock=utc_now,
                on_step=lambda done, total: (steps if steps is not None else []).append(
                    (done, total)
                ),
            ).run()

        yield check


def found(findings: list[Finding], item: str) -> Finding:
    return next(one for one in findings if one.check == item)


def states(findings: list[Finding]) -> dict[str, str]:
    """Of each item the state of its last finding; every text is there in both languages."""
    for one in findings:
        assert not one.zh.isascii()
        assert one.en
        assert not CHINESE.search(one.en)
        assert bool(one.todo_zh) is bool(one.todo_en)
        if one.state == "failed":
            assert one.code
            assert one.todo_zh
    return {one.check: one.state for one in findings}


def closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def test_a_host_from_which_a_migration_would_do(check: Check) -> None:
    steps: list[tuple[int, int]] = []
    findings = check(days=90, steps=steps)
    assert set(states(findings).values()) == {"ok"}
    assert [one.check for one in findings] == [
        *("reach", "reach", "token", "count", "listing", "file", "inspection", "clock"),
        *("space", "archive"),
    ]
    assert all(one.seconds is not None for one in findings if one.check != "clock")
    assert all("89 天" in one.zh for one in findings if one.check == "reach")
    done = [step for step, _ in steps]
    assert done == sorted(done)
    assert {total for _, total in steps} == {10}
    assert done[-1] < 10


def test_documents_of_the_last_month_that_has_any_are_tried(check: Check) -> None:
    findings = check()  # nothing is there in June 2026
    assert found(findings, "file").state == "ok"


def test_a_download_host_that_nobody_answers_at(check: Check) -> None:
    port = closed_port()
    findings = check(hosts=(f"127.0.0.1:{port}",))
    (bad,) = [one for one in findings if one.state == "failed"]
    assert (bad.check, bad.code) == ("reach", "HOST_UNREACHABLE")
    assert f"127.0.0.1:{port}" in bad.zh
    assert "refused" in bad.zh.lower()


def test_a_download_host_that_has_no_address(check: Check) -> None:
    findings = check(hosts=("files.invalid:8443",))
    (bad,) = [one for one in findings if one.state == "failed"]
    assert "files.invalid:8443：DNS" in bad.zh


def test_of_a_host_whose_port_is_a_guess_no_failure_is_made(check: Check) -> None:
    findings = check(hosts=("files.invalid",))
    (odd,) = [one for one in findings if one.state != "ok"]
    assert (odd.check, odd.state) == ("reach", "warning")
    assert "没有写端口" in odd.zh


def test_a_certificate_that_nobody_trusts(check: Check, tmp_path: Path) -> None:
    findings = check(days=90, ca_pem=Authority(tmp_path).pem)
    assert found(findings, "reach").code == "SRC_TLS"
    assert states(findings)["token"] == "failed"
    assert found(findings, "space").state == "warning"


def test_a_certificate_that_soon_expires(check: Check) -> None:
    reach = found(check(days=10), "reach")
    assert reach.state == "warning"
    assert "还有 9 天" in reach.zh
    assert reach.todo_zh


def test_refused_credentials(check: Check) -> None:
    findings = check(secret="wrong")
    assert found(findings, "token").code == "SRC_CREDENTIALS"
    assert found(findings, "reach").state == "ok"
    assert found(findings, "archive").state == "ok"


def test_a_secret_that_this_host_cannot_read(check: Check) -> None:
    findings = check(secret_box="stored with another key")
    assert states(findings) == {"token": "failed", "archive": "ok"}
    assert findings[0].code == "SECRET_UNREADABLE"


def test_a_proxy_that_refuses(check: Check) -> None:
    with closing(ProxyServer()) as proxy:
        proxy.mode = "refuse"
        findings = check(days=90, proxy=proxy.address)
    assert {one.code for one in findings if one.check == "reach"} == {"SRC_PROXY"}


def test_behind_a_proxy_certificates_are_seen_all_the_same(check: Check) -> None:
    with closing(ProxyServer()) as proxy:
        findings = check(days=90, proxy=proxy.address)
        assert set(states(findings).values()) == {"ok"}
        assert "经代理" in found(findings, "reach").zh
        assert "89 天" in found(findings, "reach").zh


def test_an_archive_that_cannot_be_written(check: Check, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    findings = check(archive=LocalArchive(tmp_path / "file" / "archive"))
    assert found(findings, "archive").code == "ARCHIVE_UNWRITABLE"


def test_room_is_compared_with_what_is_still_to_come(check: Check, tmp_path: Path) -> None:
    small = SmallArchive(tmp_path / "archive")
    short = found(check(archive=small), "space")
    assert (short.state, short.code) == ("failed", "ARCHIVE_SPACE_SHORT")
    assert "剩余 100 B" in short.zh
    enough = found(check(archive=small, archived=10_000_000), "space")
    assert enough.state == "ok"


def test_without_documents_the_download_is_not_tried(check: Check) -> None:
    findings = check(spoil=lambda other: other.bills.clear())
    assert states(findings)["file"] == "skipped"
    assert states(findings)["space"] == "ok"
