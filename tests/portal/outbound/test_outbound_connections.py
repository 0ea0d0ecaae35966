"""Everything that the portal connects to by itself goes by the one rule, at the connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pycurl
import pytest
import requests

from executor.admins import AdminClient, AdminUnreachable
from portal.archive_place import S3Place
from portal.errors import SyncError
from portal.notify.channels import open_channel
from portal.notify.kinds import ChannelKind
from portal.notify.message import Message
from portal.outbound import http
from portal.outbound.rule import AddressForbidden, rule
from portal.sync.archive.s3.wire import Exchange, Unreached, Wire, WireOptions
from portal.sync.curl_sockets import JudgedSockets
from portal.sync.download import Download, Downloader, DownloadOptions
from portal.sync.proxy import Proxy
from portal.sync.reach import places_of, reach
from portal.sync.sources.connection import Connection
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.sources.zookeeper import read_settings
from portal.sync.sources.zookeeper_place import ZooKeeperPlace

ANSWER = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
MESSAGE = Message(1, "test", "t", datetime(2026, 11, 22, 8, 0, tzinfo=UTC), (), "", "", {})
# This host by an address that the rule forbids: whoever goes there meets the listener.
HERE = "0.0.0.0"


class Listener:
    """Takes connections at 127.0.0.1, keeps what was sent first, and sends everybody elsewhere."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.elsewhere = b"http://127.0.0.1:9/"
        self.heard: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(0.5)  # who waits for us to speak first is met too
                self.heard.append(b"")
                try:
                    self.heard[-1] = connection.recv(65536)
                    connection.sendall(ANSWER % self.elsewhere)
                except OSError:
                    pass

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()
    rule.allow([])


class Sunk:
    def write(self, data: bytes) -> None:
        pass


def by_session(port: int) -> None:
    with http.session() as session:
        session.get(f"http://{HERE}:{port}/", timeout=5)


def by_control_call(port: int) -> None:
    with closing(PiaozoneSource(Connection(f"http://{HERE}:{port}", "c", "s"))) as source:
        source.check()


def by_download(port: int) -> None:
    with closing(Downloader(DownloadOptions())) as downloader:
        downloader.start(Download(1, f"http://{HERE}:{port}/f", (), Sunk(), None))
        for ended in downloader.wait(10):
            raise ended.error or RuntimeError(ended.redirect)


def by_proxy(port: int) -> None:
    proxy = Proxy.parse(f"http://{HERE}:{port}")
    connection = Connection("http://source.example", "c", "s", proxy=proxy)
    with closing(PiaozoneSource(connection)) as source:
        source.check()


def by_tunnel(port: int) -> None:
    proxy = Proxy.parse(f"http://{HERE}:{port}")
    connection = Connection("https://source.example", "c", "s", proxy=proxy)
    with closing(PiaozoneSource(connection)) as source:
        source.check()


def by_download_proxy(port: int) -> None:
    options = DownloadOptions(proxy=Proxy.parse(f"http://{HERE}:{port}"))
    with closing(Downloader(options)) as downloader:
        downloader.start(Download(1, "http://source.example/f", (), Sunk(), None))
        for ended in downloader.wait(10):
            raise ended.error or RuntimeError(ended.redirect)


def by_reach(port: int) -> None:
    connection = Connection(f"http://{HERE}:{port}", "c", "s")
    reach(connection, places_of(connection)[0])


def by_webhook(port: int) -> None:
    url = f"http://{HERE}:{port}/hook"
    open_channel(ChannelKind.WEBHOOK, {"url": url}).deliver(MESSAGE, now=0.0)


def by_mail(port: int, security: str) -> None:
    config = {"host": HERE, "port": port, "security": security, "sender": "a@example.com"}
    channel = open_channel(ChannelKind.MAIL, {**config, "recipients": "b@example.com"})
    channel.deliver(MESSAGE, now=0.0)


def by_zookeeper(port: int) -> None:
    read_settings(ZooKeeperPlace.parse(f"{HERE}:{port}"), seconds=0.5)


WAYS: dict[str, Callable[[int], None]] = {
    "control call": by_control_call,
    "download": by_download,
    "proxy": by_proxy,
    "tunnel": by_tunnel,
    "download by proxy": by_download_proxy,
    "reach": by_reach,
    "webhook": by_webhook,
    "mail": lambda port: by_mail(port, "none"),
    "mail by TLS": lambda port: by_mail(port, "tls"),
    "zookeeper": by_zookeeper,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_nobody_is_met_at_a_forbidden_address(
    listener: Listener, way: Callable[[int], None]
) -> None:
    with pytest.raises(SyncError) as refusal:
        way(listener.port)
    assert refusal.value.code == "ADDRESS_FORBIDDEN"
    assert refusal.value.params["address"] == HERE
    assert HERE in refusal.value.params["host"]
    assert listener.heard == []


@pytest.mark.parametrize("way", [*WAYS.values(), by_session], ids=[*WAYS, "session"])
def test_the_setting_opens_it(listener: Listener, way: Callable[[int], None]) -> None:
    rule.allow([ip_network(f"{HERE}/32")])
    with suppress(SyncError, RuntimeError):  # it is nobody who could be talked with
        way(listener.port)
    assert len(listener.heard) >= 1


def test_the_store_and_the_admins_too(listener: Listener, tmp_path: Path) -> None:
    place = S3Place("b-1", "", f"http://{HERE}:{listener.port}", "r")
    wire = Wire(ca_file=None, options=WireOptions())
    with pytest.raises(Unreached, match="forbidden"):
        wire.exchange(Exchange("GET", f"{place.endpoint}/b-1", {}))
    wire.close()
    admin = AdminClient(
        f"http://{HERE}:{listener.port}/a", token="t", app_name="a", session=http.session
    )
    with pytest.raises(AdminUnreachable, match=f"connections to {HERE} are forbidden"):
        admin.registry("a", "http://127.0.0.1/")
    assert listener.heard == []


def test_a_name_is_judged_by_what_it_stands_for_at_the_connection(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look finds an address that is allowed, the next one another."""
    real, looks = socket.getaddrinfo, []

    def turning(host: Any, *rest: Any, **options: Any) -> Any:
        if host != "rebinding.example":
            return real(host, *rest, **options)
        looks.append(host)
        return real("127.0.0.1" if len(looks) == 1 else HERE, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", turning)
    url = f"http://rebinding.example:{listener.port}/"
    with http.session() as session:
        assert session.get(url, timeout=5).status_code == 302
        with pytest.raises(requests.ConnectionError) as refusal:
            session.get(url, timeout=5)
    assert isinstance(http.forbidden_in(refusal.value), AddressForbidden)
    assert len(listener.heard) == 1


def test_libcurl_asks_for_every_address_of_a_name(listener: Listener) -> None:
    def fetch(address: str) -> tuple[int, str]:
        handle, sockets = pycurl.Curl(), JudgedSockets()
        name = f"rebinding.example:{listener.port}"
        handle.setopt(pycurl.URL, f"http://{name}/")
        handle.setopt(pycurl.RESOLVE, [f"{name}:{address}"])
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.OPENSOCKETFUNCTION, sockets)
        try:
            handle.perform()
            return int(handle.getinfo(pycurl.RESPONSE_CODE)), sockets.refused
        except pycurl.error as error:
            return -int(error.args[0]), sockets.refused
        finally:
            handle.close()

    assert fetch("127.0.0.1") == (302, "")
    assert fetch(HERE) == (-pycurl.E_COULDNT_CONNECT, HERE)
    assert fetch("[::ffff:0.0.0.0]") == (-pycurl.E_COULDNT_CONNECT, "::ffff:0.0.0.0")
    assert len(listener.heard) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
    ],
)
def test_no_proxy_is_asked_for_a_forbidden_address(listener: Listener, url: str) -> None:
    """What the proxy would connect to is out of sight; an address in the URL is not."""
    proxy = Proxy.parse(f"http://127.0.0.1:{listener.port}")
    with (
        closing(PiaozoneSource(Connection(url, "c", "s", proxy=proxy))) as source,
        pytest.raises(SyncError) as refusal,
    ):
        source.check()
    assert refusal.value.code == "ADDRESS_FORBIDDEN"
    host = url.split("/")[2]
    listed = Connection("http://127.0.0.1", "c", "s", proxy=proxy, download_hosts=(host,))
    with closing(PiaozoneSource(listed)) as source, pytest.raises(SyncError) as refusal:
        source.download_target("f", url)
    assert refusal.value.code == "ADDRESS_FORBIDDEN"
    assert listener.heard == []


def test_a_session_follows_nobody_and_takes_nothing_from_the_environment(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Listener()
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("NO_PROXY", "")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{other.port}")
    listener.elsewhere = b"http://127.0.0.1:%d/" % other.port
    with http.session() as session:
        answer = session.get(f"http://127.0.0.1:{listener.port}/", timeout=5)
    assert answer.status_code == 302
    assert other.heard == []
    assert b"Authorization" not in listener.heard[0]
    other.close()


def test_notices_take_the_proxy_that_is_documented(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{listener.port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listener.port}")
    channel = open_channel(ChannelKind.WEBHOOK, {"url": "http://robot.example/hook"})
    with pytest.raises(SyncError) as refusal:
        channel.deliver(MESSAGE, now=0.0)
    assert refusal.value.params == {"detail": "HTTP 302"}
    assert listener.heard[0].startswith(b"POST http://robot.example/hook ")
