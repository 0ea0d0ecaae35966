"""A whole migration from a source of another make: by its profile, a proxy and a private CA."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.certificates import Authority
from tests.functional.installation import Ended, Installation
from tests.other_source import APP_KEY, APP_SECRET, DOCUMENTS, OtherSource, PictureHost
from tests.proxy_server import ProxyServer

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

PROFILE = Path(__file__).parents[2] / "docs" / "zh" / "连接配置示例.json"
USER, PASSWORD = "outbound", "p@ss/w:rd%41"
NAME = "另一影像系统"


@dataclass
class Field:
    """Source, the other host and the proxy between them and us."""

    source: OtherSource
    pictures: PictureHost
    proxy: ProxyServer
    authority: Authority

    def options(self) -> list[str]:
        ca = ["--ca-file", str(self.authority.file)] if self._is_https else []
        return ["--profile", str(PROFILE), "--download-host", "localhost", *ca]

    @property
    def _is_https(self) -> bool:
        return self.source.origin.startswith("https:")


@pytest.fixture(params=["https", "http"])
def field(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Field]:
    authority = Authority(tmp_path)
    tls = authority.server("127.0.0.1", "localhost") if request.param == "https" else None
    with ExitStack() as stack:
        pictures = stack.enter_context(closing(PictureHost(tls)))
        source = stack.enter_context(closing(OtherSource(pictures, tls)))
        proxy = stack.enter_context(closing(ProxyServer()))
        proxy.credentials = f"{USER}:{PASSWORD}"
        yield Field(source, pictures, proxy, authority)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    # A proxy of the environment leads nowhere: whatever used it would fail.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _NOWHERE)
    site = Installation(tmp_path / "site", nowhere)
    yield site
    site.kill_all()


_NOWHERE = "http://127.0.0.1:9"


def command(site: Installation, *arguments: str, **more: str) -> Ended:
    """A command as a process of its own: this one has threads, and must not be forked."""
    return site.start(*arguments, **more).ended(120)


def test_everything_is_migrated_through_the_proxy(site: Installation, field: Field) -> None:
    source, pictures, proxy = field.source, field.pictures, field.proxy
    assert command(site, "db", "upgrade").code == 0
    added = command(
        site,
        *("source", "add", NAME, "--url", source.base_url, "--client-id", APP_KEY),
        *field.options(),
        CLIENT_SECRET=APP_SECRET,
        SOURCE_PROXY=proxy.url(f"{USER}:{quote(PASSWORD, safe='')}"),
    )
    assert added.code == 0, added
    checked = command(site, "source", "check", NAME, "--month", "2024-01", "--json")
    assert checked.code == 0, checked
    assert checked.json["file_bytes"] > 0
    assert abs(checked.json["clock_skew_seconds"]) <= 2
    assert (checked.json["tls_expires_at"] is not None) == source.origin.startswith("https:")

    up = site.start_up()
    scope = ("--source", NAME, "--from", "2024-01-01", "--to", "2024-02-29")
    created = command(site, "batch", "create", *scope, "--run", "--json")
    assert created.code == 0, created
    report = command(site, "batch", "watch", created.json["batch_no"], "--json").json
    assert (report["total"], report["done"]) == (DOCUMENTS, DOCUMENTS)
    assert report["sync_status"] == "complete"
    verified = command(site, "verify", "--json")
    assert verified.code == 0, verified
    archived = {path.read_bytes() for path in site.archive.glob("*/*/*/*") if path.is_file()}
    assert archived == {one.body for bill in source.bills for one in bill.pictures}

    requests = [*source.seen, *pictures.seen]
    assert len(requests) > DOCUMENTS * 3
    assert {request.port for request in requests} <= proxy.ports
    assert len(source.tickets) > 2, "the ticket ran out in mid-batch"
    assert len(pictures.seen) >= 2, "a linked and a moved file are on the other host"
    for ticket in source.tickets:
        for request in pictures.seen:
            assert ticket not in request.text
            assert quote(ticket, safe="") not in request.text
    for head in proxy.heads:
        if head.startswith("CONNECT"):
            assert "ticket" not in head
    for request in requests:
        assert "Proxy-Authorization" not in request.headers

    outputs = [added, checked, created, verified, Ended(0, up.out, up.err)]
    outputs += [command(site, "source", "list"), command(site, "source", "list", "--json")]
    kept = [path.read_bytes() for path in site.home.rglob("*") if path.is_file()]
    for secret in (APP_SECRET, PASSWORD, quote(PASSWORD, safe="")):
        assert not [ended for ended in outputs if secret in ended.out + ended.err]
        assert not [content for content in kept if secret.encode() in content]
    written = [file.stat().st_mode & 0o777 for file in (site.home / "ca").glob("*")]
    assert written == ([0o600] if source.origin.startswith("https:") else [])
