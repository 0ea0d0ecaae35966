from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from portal.errors import SyncError
from portal.sync.sources.connection import Connection
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.sources.profile import ConnectorProfile

if TYPE_CHECKING:
    from tests.portal.sync.sources.conftest import SourceServer

Connect = Callable[..., PiaozoneSource]
BEARER = ("Authorization: Bearer token-1",)


def refusal(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(SyncError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.fixture
def source(server: SourceServer, connect: Connect) -> PiaozoneSource:
    return connect(
        base_url=f"{server.base_url}/test/", download_hosts=("Files.example.com", "b:81")
    )


@pytest.fixture
def base(server: SourceServer) -> str:
    return f"{server.base_url}/test"


@pytest.fixture(autouse=True)
def token_call_below_the_path(server: SourceServer) -> None:
    answer = b'{"errcode":"0000","data":{"accessToken":"token-1"}}'
    server.script("/test/archivebase/scan/login/token", body=answer)


def test_file_of_the_source(source: PiaozoneSource, base: str) -> None:
    target = source.download_target("f/1?#%影 .jpg", None)
    quoted = "f%2F1%3F%23%25%E5%BD%B1%20.jpg"
    assert target.url == f"{base}/imgsys/migrate/v1/files/{quoted}"
    assert (target.headers, target.sends_token, target.token) == (BEARER, True, "token-1")


@pytest.mark.parametrize("file_id", [".", "..", ""])
def test_id_that_is_no_name_in_a_path(source: PiaozoneSource, file_id: str) -> None:
    assert refusal(source.download_target, file_id, None) == "META_BAD_VALUE"


def test_own_address_at_the_base_host_gets_the_token(source: PiaozoneSource, base: str) -> None:
    target = source.download_target("f", f"{base}/x y?sig=a%2Fb+c&name=封面#part")
    assert target.url == f"{base}/x%20y?sig=a%2Fb+c&name=%E5%B0%81%E9%9D%A2"
    assert target.headers == BEARER


@pytest.mark.parametrize(
    "url",
    ["https://files.EXAMPLE.com./a?b=c", "http://files.example.com:8080/a", "http://b:81/"],
)
def test_allowed_host_gets_no_token(source: PiaozoneSource, url: str) -> None:
    target = source.download_target("f", url)
    assert (target.headers, target.sends_token) == ((), False)
    assert "token-1" not in target.url


def test_token_stays_with_scheme_and_port(source: PiaozoneSource, server: SourceServer) -> None:
    for url in ("http://127.0.0.1:1/a", f"https://127.0.0.1:{server.port}/a"):
        assert not source.download_target("f", url).sends_token


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example.com/",
        "http://files.example.com.evil.org/",
        "http://xfiles.example.com/",
        "http://b:82/",
        "http://b/",
        "http://[::1]/",
        "http://0x7f000001/",
        "http://localhost/",
    ],
)
def test_foreign_host_is_refused(source: PiaozoneSource, base: str, url: str) -> None:
    assert refusal(source.download_target, "f", url) == "SRC_HOST_NOT_ALLOWED"
    target = source.download_target("f", None)
    assert refusal(source.redirect_target, target, url) == "SRC_HOST_NOT_ALLOWED"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://files.example.com/",
        "file:///etc/passwd",
        "http://user:word@files.example.com/",
        "http://evil.org\\@files.example.com/",
        "http://evil.org%2f@files.example.com/",
        "http://files.example.com%2eevil.org/",
        "http://files.example.com:99999/",
        "http://files.example\x00.com/",
        "http:///a",
        "//files.example.com/a",
        "a/b",
    ],
)
def test_address_that_cannot_be_followed(source: PiaozoneSource, url: str) -> None:
    with pytest.raises(SyncError) as caught:
        source.download_target("f", url)
    assert caught.value.code == "META_BAD_VALUE"
    assert caught.value.params["field"] == "downloadUrl"
    assert "word" not in str(caught.value)


def test_redirects_are_resolved_under_the_same_rules(source: PiaozoneSource, base: str) -> None:
    target = source.download_target("f", None)
    near = source.redirect_target(target, "../other?a=%20")
    assert near.url == f"{base}/imgsys/migrate/v1/other?a=%20"
    assert near.headers == BEARER
    far = source.redirect_target(near, "http://files.example.com/f")
    assert (far.headers, far.redirects) == ((), 2)
    back = source.redirect_target(far, f"{base}/f")
    assert back.headers == BEARER


def test_redirect_to_plain_http_is_refused(source: PiaozoneSource) -> None:
    target = source.download_target("f", "https://files.example.com/a")
    assert refusal(source.redirect_target, target, "http://files.example.com/a") == "SRC_BAD_ANSWER"
    assert refusal(source.redirect_target, target, "gopher://b:81/") == "SRC_BAD_ANSWER"


def test_redirect_that_echoes_the_token_of_its_request_is_refused(
    server: SourceServer, source: PiaozoneSource
) -> None:
    newer = b'{"errcode":"0000","data":{"accessToken":"newer"}}'
    server.script("/test/archivebase/scan/login/token", body=newer)
    target = source.download_target("f", None)
    assert target.token is not None
    # Meanwhile another download got a new one.
    source.renew_token(target.token)
    echo = f"http://files.example.com/f?token={target.token}"
    assert refusal(source.redirect_target, target, echo) == "SRC_BAD_ANSWER"


def test_redirect_loop_ends(source: PiaozoneSource) -> None:
    def follow() -> None:
        target = source.download_target("f", None)
        for _ in range(20):
            target = source.redirect_target(target, target.url)

    assert refusal(follow) == "SRC_REDIRECT_LOOP"


def test_token_in_the_query(server: SourceServer, connect: Connect) -> None:
    profile = ConnectorProfile(token_passing="query")
    source = connect(profile=profile, download_hosts=("files.example.com",))
    target = source.download_target("f", None)
    assert target.url.endswith("/files/f?access_token=token-1")
    assert target.headers == ()
    own = source.download_target("f", f"{server.base_url}/a?b=c")
    assert own.url == f"{server.base_url}/a?b=c&access_token=token-1"
    echo = "http://files.example.com/f?access_token=token-1"
    assert refusal(source.redirect_target, target, echo) == "SRC_BAD_ANSWER"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"base_url": "ftp://a"}, "base URL"),
        ({"base_url": "http://u:p@a"}, "base URL"),
        ({"base_url": "http://a?b"}, "base URL"),
        ({"base_url": ""}, "base URL"),
        ({"download_hosts": ("http://a/",)}, "http://a/"),
        ({"download_hosts": ("a:x",)}, "a:x"),
        ({"download_hosts": ("",)}, "download host"),
    ],
)
def test_connection_that_makes_no_sense(options: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Connection(**{"base_url": "http://a", "client_id": "c", "client_secret": "s"} | options)  # type: ignore[arg-type]


def test_base_url_keeps_its_path() -> None:
    connection = Connection("https://API.example.com:443/test/", "c", "s")
    assert connection.base_url == "https://api.example.com/test"
