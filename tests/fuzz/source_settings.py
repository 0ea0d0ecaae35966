"""What a data source is set to: addresses, hosts, proxy, hours, profile, rules."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from portal.errors import InvalidSetting
from portal.services.source_form import SourceForm, faults
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.proxy import Proxy
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.targets import Address, allowed_host
from portal.sync.throttle.windows import TimeWindows
from tests.fuzz.bending import bent_texts, bent_values
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
URLS = [
    "https://img.example:8443/base?a=b#c", "http://[::1]:80/", "HTTP://IMG.例子.example/路径 1",
    "http://127.0.0.1", "http://img.example./a%20b", "https://user:word@img.example/",
]  # fmt: skip
PROXIES = ["http://proxy:3128", "https://me:w@rd:1@proxy.example:443/", "http://[::1]:1"]
WINDOWS = ["1-5 20:00-07:00", "6,7 00:00-24:00", "1-3,5 09:30-09:30"]
PROFILE: dict[str, Any] = {
    "paths": {"token": "/t", "file": "/f/{fileId}", "organisations": ""},
    "row": {"org_code": "a.b"}, "categories": {"x": "cover"}, "page_size": 10,
    "credential_errcodes": ["1"], "query_method": "GET", "token": {"source_value": 1},
}  # fmt: skip
RULES: dict[str, Any] = {
    "cover": ["pdf"], "invoice": ["pdf", "ofd"], "max_bytes": 10, "min_dpi": 0,
    "required": ["amount"], "deep": True,
}  # fmt: skip
_URL = re.compile(r"https?://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d+)?/[\x21-\x7e]*")


def _address(url: str) -> bool:
    try:
        address = Address.parse(url)
    except ValueError as error:
        assert url not in str(error) or len(url) < 12
        return REFUSED
    assert _URL.fullmatch(address.url), address.url
    assert 0 < address.port < 65536
    # No other parser may see another host in what is sent.
    again = urlsplit(address.url)
    assert (again.hostname or "") == address.host.strip("[]")
    assert "@" not in again.netloc
    assert Address.parse(address.url).origin == address.origin
    return ACCEPTED


def _host(text: str) -> bool:
    try:
        host, port = allowed_host(text)
    except ValueError:
        return REFUSED
    assert host
    assert port is None or 0 <= port < 65536
    return ACCEPTED


def _proxy(text: str) -> bool:
    try:
        proxy = Proxy.parse(text)
    except ValueError:
        return REFUSED
    assert Proxy.parse(proxy.url) == proxy
    assert not proxy.password or len(proxy.password) < 8 or proxy.password not in repr(proxy)
    for name, value in proxy.headers.items():
        assert f"{name}{value}".isprintable()
    return ACCEPTED


def _windows(texts: list[str]) -> bool:
    try:
        windows = TimeWindows(texts, ZONE)
    except ValueError:
        return REFUSED
    opens = windows.opens_at(NOW)
    assert opens is None or opens > NOW
    return ACCEPTED


def _profile(values: Any) -> bool:
    try:
        profile = ConnectorProfile.from_mapping(values)
    except InvalidSetting:
        return REFUSED
    assert all(value.startswith("/") or not value for value in vars(profile.paths).values())
    hash(profile)
    return ACCEPTED


def _rules(values: Any) -> bool:
    try:
        rules = CompatibilityRules.from_mapping(values)
    except InvalidSetting:
        return REFUSED
    assert CompatibilityRules.from_mapping(rules.to_mapping()) == rules
    hash(rules)
    return ACCEPTED


def _form(case: dict[str, Any]) -> bool:
    form = SourceForm(**case)
    found = faults(form, None, NOW)
    assert len({fault.setting for fault in found}) == len(found)
    for fault in found:
        text = fault.text("zh") + fault.text("en")
        assert "a secret" not in form.client_secret or form.client_secret not in text
    if found:
        return REFUSED
    form.connection()
    return ACCEPTED


def _dict(seed: dict[str, Any]) -> st.SearchStrategy[Any]:
    # What is no object is refused by the form before.
    return bent_values([seed]).filter(lambda value: isinstance(value, dict))


_texts = {name: bent_texts([name, "影像系统"], edits=1) for name in ("name", "client_id")}
_forms = st.fixed_dictionaries(
    {
        **_texts,
        "base_url": bent_texts(URLS[:5], edits=1),
        "client_secret": bent_texts(["a secret of sixteen"], edits=1),
    },
    optional={
        "download_hosts": st.lists(bent_texts(["a.example", "b:443"], edits=1), max_size=3).map(
            tuple
        ),
        "profile": _dict(PROFILE),
        "rules": _dict(RULES),
        "concurrency_cap": st.integers() | st.none(),
        "rate_cap": st.floats() | st.none(),
        "bandwidth_cap": st.integers() | st.none(),
        "windows": st.lists(bent_texts(WINDOWS, edits=1), max_size=3).map(tuple),
        "proxy": bent_texts(PROXIES, edits=1),
        "ca_pem": bent_texts(["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"]),
    },
)
PARSERS = (
    Parser("address", bent_texts(URLS), _address),
    Parser("download host", bent_texts(["a.example", "[::1]:443", "例子.example:1"]), _host),
    Parser("proxy", bent_texts(PROXIES), _proxy),
    Parser("time windows", st.lists(bent_texts(WINDOWS, edits=3), max_size=3), _windows),
    Parser("connector profile", _dict(PROFILE), _profile),
    Parser("compatibility rules", _dict(RULES), _rules),
    Parser("data source form", _forms, _form),
)
