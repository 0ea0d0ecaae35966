"""How a source is reached: proxy and private CA, the same for control calls and downloads."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from portal.errors import SyncError, action
from portal.sync.download import Download, Downloader
from portal.sync.proxy import Proxy
from portal.sync.sources.connection import Connection
from portal.sync.sources.kind import download_options
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.sources.profile import ConnectorProfile
from tests.certificates import Authority
from tests.other_source import APP_KEY, APP_SECRET, OtherSource, PictureHost
from tests.proxy_server import ProxyServer

PASSWORD = "p@ss:/?#wörd 密%41"
LONG = 60.0
PROFILE = ConnectorProfile.from_mapping(
    {
        "paths": {"token": "/auth/ticket"},
        "token": {
            "client_id": "app",
            "sign": "digest",
            "timestamp": "when",
            "source": "from.channel",
            "source_value": 7,
            "token": "session.ticket",
        },
        "envelope": {"errcode": "status.code", "data": "result"},
        "success_errcode": "0",
        "timestamp_unit": "s",
    }
)
Reach = Callable[..., SyncError | None]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@dataclass
class Start:
    """Starts the source; by https unless told otherwise, its certificate as hosts and days say."""

    stack: ExitStack
    authority: Authority

    def __call__(self, *hosts: str, https: bool = True, days: int = 30) -> OtherSource:
        tls = self.authority.server(*(hosts or ("127.0.0.1",)), days=days) if https else None
        pictures = self.stack.enter_context(closing(PictureHost()))
        return self.stack.enter_context(closing(OtherSource(pictures, tls)))


@pytest.fixture
def start(stack: ExitStack, authority: Authority) -> Start:
    return Start(stack, authority)


@pytest.fixture
def proxy(stack: ExitStack) -> ProxyServer:
    return stack.enter_context(closing(ProxyServer()))


def call(connection: Connection, home: Path) -> SyncError | None:
    """A control call: how it failed."""
    with closing(PiaozoneSource(connection)) as source:
        try:
            source.token()
        except SyncError as error:
            return error
    return None


def fetch(connection: Connection, home: Path) -> SyncError | None:
    """A download of something that is not there, so that no token is needed: how it failed."""
    taken = bytearray()
    sink = type("Sink", (), {"write": staticmethod(taken.extend)})()
    with closing(Downloader(download_options(connection, home))) as downloader:
        url = connection.url("/blob?key=s3cret-query")
        downloader.start(Download(1, url, ("Authorization: Bearer s3cret-token",), sink, None))
        (ended,) = downloader.wait(LONG)
    # The source's own 405 is as good as an answer: it was reached.
    return None if ended.status == 405 else ended.error


@pytest.fixture(params=[call, fetch], ids=["control call", "download"])
def reach(request: pytest.FixtureRequest, tmp_path: Path) -> Reach:
    """Tries to reach a source by one of the two clients: None, or how it failed."""

    def reach(source: OtherSource | str, **settings: Any) -> SyncError | None:
        base = source if isinstance(source, str) else source.base_url
        connection = Connection(base, APP_KEY, APP_SECRET, profile=PROFILE, **settings)
        error: SyncError | None = request.param(connection, tmp_path / "home")
        for secret in (PASSWORD, quote(PASSWORD, safe=""), APP_SECRET, "s3cret"):
            assert secret not in f"{error} {error.params if error else ''} {connection!r}"
        return error

    return reach


def proxy_error(error: SyncError | None, proxy: ProxyServer | Proxy) -> str:
    """The detail of what must be the proxy's failure."""
    assert error is not None
    assert error.code == "SRC_PROXY"
    assert error.params["detail"].startswith(f"{proxy.address}: ")
    return str(error.params["detail"])


@pytest.fixture
def misleading_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.mark.usefixtures("misleading_environment")
@pytest.mark.parametrize("https", [True, False], ids=["https", "http"])
def test_only_the_proxy_is_used(
    start: Start, proxy: ProxyServer, reach: Reach, authority: Authority, https: bool
) -> None:
    source = start(https=https)
    proxy.credentials = f"outbound:{PASSWORD}"
    settings = Proxy.parse(proxy.url(f"outbound:{quote(PASSWORD, safe='')}"))
    assert reach(source, proxy=settings, ca_pem=authority.pem) is None
    assert len(source.seen) == len(proxy.passed) == 1
    assert {seen.port for seen in source.seen} <= proxy.ports
    assert "Proxy-Authorization" not in source.seen[0].headers
    if https:
        assert proxy.passed == [f"CONNECT {source.origin.removeprefix('https://')}"]
        assert "s3cret" not in proxy.heads[0]
        assert "\r\nAuthorization:" not in proxy.heads[0]


@pytest.mark.parametrize("https", [True, False], ids=["https", "http"])
def test_a_proxy_that_is_reached_by_tls(
    start: Start, stack: ExitStack, reach: Reach, authority: Authority, https: bool
) -> None:
    source = start(https=https)
    proxy = stack.enter_context(closing(ProxyServer(authority.server("127.0.0.1"))))
    proxy.credentials = "u:p"
    settings = Proxy.parse(proxy.url("u:p"))
    assert reach(source, proxy=settings, ca_pem=authority.pem) is None
    assert len(proxy.passed) == 1
    assert "unknown CA" in proxy_error(reach(source, proxy=settings), proxy)
    assert len(source.seen) == 1


@pytest.mark.parametrize("https", [True, False], ids=["https", "http"])
@pytest.mark.parametrize("given", ["", "u:wrong@"], ids=["no password", "a wrong one"])
def test_a_proxy_that_wants_another_password(
    start: Start, proxy: ProxyServer, reach: Reach, https: bool, given: str
) -> None:
    source = start(https=https)
    proxy.credentials = "u:right"
    settings = Proxy.parse(proxy.address.replace("://", f"://{given}"))
    assert "407" in proxy_error(reach(source, proxy=settings), proxy)
    assert source.seen == []


@pytest.mark.parametrize(
    ("https", "answer"),
    [
        (True, ("refuse", "CONNECT refused, 403")),
        (True, ("mark", "CONNECT refused, 503")),
        (False, ("mark", "HTTP 503")),
        (True, ("reset", "")),
        (False, ("reset", "")),
    ],
)
def test_a_proxy_that_lets_nothing_through(
    start: Start, proxy: ProxyServer, reach: Reach, https: bool, answer: tuple[str, str]
) -> None:
    source = start(https=https)
    proxy.mode, told = answer
    assert told in proxy_error(reach(source, proxy=Proxy.parse(proxy.address)), proxy)
    assert source.seen == []


@pytest.mark.parametrize("https", [True, False], ids=["https", "http"])
def test_a_proxy_that_is_down(start: Start, reach: Reach, https: bool) -> None:
    source = start(https=https)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for address in (f"http://127.0.0.1:{port}", "http://no-such-proxy.invalid:3128"):
        proxy = Proxy.parse(address)
        proxy_error(reach(source, proxy=proxy), proxy)
    assert source.seen == []


def test_a_source_that_is_down_behind_a_tunnel_is_told_by_the_proxy(
    proxy: ProxyServer, reach: Reach
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = reach(f"https://127.0.0.1:{port}", proxy=Proxy.parse(proxy.address))
    assert error is not None
    assert error.code == "SRC_PROXY"


def test_a_refusal_of_the_source_behind_a_proxy_is_the_sources(
    start: Start, proxy: ProxyServer, tmp_path: Path
) -> None:
    source = start(https=False)
    wrong = Connection(
        source.base_url, APP_KEY, "wrong", profile=PROFILE, proxy=Proxy.parse(proxy.address)
    )
    error = call(wrong, tmp_path)
    assert error is not None
    assert (error.code, error.params["errcode"]) == ("SRC_BUSINESS_ERROR", "4001")


# Certificates.


def test_a_private_ca_is_trusted_instead_of_the_public_ones(
    start: Start, reach: Reach, authority: Authority
) -> None:
    assert reach(start(), ca_pem=authority.pem) is None


def test_an_authority_among_others_is_found(
    start: Start, reach: Reach, authority: Authority, tmp_path: Path
) -> None:
    assert reach(start(), ca_pem=Authority(tmp_path).pem + authority.pem) is None


NOT_TRUSTED = ((), 30, "unknown CA")
EXPIRED = ((), -1, "certificate expired")
ELSEWHERE = (("elsewhere.example", "10.9.8.7"), 30, "wrong host name")


@pytest.mark.parametrize("case", [NOT_TRUSTED, EXPIRED, ELSEWHERE], ids=lambda case: case[2])
@pytest.mark.parametrize("by_proxy", [False, True], ids=["directly", "through a proxy"])
def test_a_certificate_that_is_not_good_enough(
    start: Start, proxy: ProxyServer, reach: Reach, case: tuple[Any, int, str], by_proxy: bool
) -> None:
    hosts, days, told = case
    source = start(*hosts, days=days)
    settings = {"proxy": Proxy.parse(proxy.address)} if by_proxy else {}
    error = reach(source, ca_pem="" if case is NOT_TRUSTED else start.authority.pem, **settings)
    assert error is not None
    assert error.code == "SRC_TLS"
    assert told in error.params["detail"]
    assert error.params["detail"].startswith(source.origin.removeprefix("https://"))
    assert source.seen == []
    assert "--ca-file" in action("SRC_TLS", error.params, "zh")
    assert not error.permanent


def test_another_private_ca_does_not_help(start: Start, reach: Reach, tmp_path: Path) -> None:
    error = reach(start(), ca_pem=Authority(tmp_path).pem)
    assert error is not None
    assert error.code == "SRC_TLS"
    assert "unknown CA" in error.params["detail"]


# Addresses.


@pytest.mark.parametrize(
    "path",
    ["/影像 平台/v2", "/影像 平台/v2///", "/%E5%BD%B1%E5%83%8F%20平台/v2/", "/影像%20平台/v2"],
)
def test_a_base_path_however_it_is_written(start: Start, reach: Reach, path: str) -> None:
    source = start(https=False)
    assert reach(source.origin + path) is None
    assert source.seen[0].target.startswith("/%E5%BD%B1%E5%83%8F%20%E5%B9%B3%E5%8F%B0/v2/")
