from __future__ import annotations

import pytest

from portal.sync.proxy import Proxy, refusal


@pytest.mark.parametrize(
    ("text", "user", "password"),
    [
        ("http://proxy.corp:3128", "", ""),
        (" https://Proxy.Corp:3128/ ", "", ""),
        ("http://me@proxy.corp:3128", "me", ""),
        ("http://me:a:b@proxy.corp:3128", "me", "a:b"),
        ("http://me:a@b/c?d#e@proxy.corp:3128", "me", "a@b/c?d#e"),
        ("http://me:%40%25%E5%AF%86@proxy.corp:3128", "me", "@%密"),
        ("http://me:100%@proxy.corp:3128", "me", "100%"),
    ],
)
def test_what_is_understood(text: str, user: str, password: str) -> None:
    proxy = Proxy.parse(text)
    assert (proxy.host, proxy.port, proxy.user, proxy.password) == (
        "proxy.corp",
        3128,
        user,
        password,
    )
    assert proxy.address == f"{proxy.scheme}://proxy.corp:3128"
    assert Proxy.parse(proxy.url) == proxy
    assert bool(proxy.headers) == bool(user)
    shown = repr(proxy) + proxy.address
    assert not password or password not in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy.corp:3128",
        "socks5://s3cret@proxy.corp:1080",
        "http://proxy.corp",
        "http://me:s3cret@proxy.corp",
        "http://me:s3cret@proxy.corp:0",
        "http://me:s3cret@proxy.corp:99999",
        "http://me:s3cret@proxy.corp:3128/path",
        "http://me:s3cret@a\u3002\u3002b:3128",
        "http://a%3Ab:s3cret@proxy.corp:3128",
        "http://me:s3cret%0d%0a@proxy.corp:3128",
        f"http://me:s3cret@{'a' * 300}:3128",
    ],
)
def test_what_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(ValueError, match=r" proxy: ") as refused:
        Proxy.parse(text)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("status", "headers", "is_proxys"),
    [
        (407, {}, True),
        (403, {"X-Squid-Error": "ERR_ACCESS_DENIED 0"}, True),
        (502, {"proxy-status": "gate; error=connection_refused"}, True),
        (502, {"Proxy-Status": "gate; received-status=502"}, False),
        (200, {"Proxy-Status": "gate; error=x"}, False),
        (403, {"Via": "1.1 gate"}, False),
    ],
)
def test_whose_answer_it_is(status: int, headers: dict[str, str], is_proxys: bool) -> None:
    assert (refusal(status, headers) is not None) == is_proxys
