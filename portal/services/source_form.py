"""What a data source is set to, and what of it makes no sense."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from portal.errors import InvalidSetting, NotAllowed, reason
from portal.models import DataSource
from portal.outbound.rule import AddressForbidden, literal, rule
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.proxy import Proxy
from portal.sync.sources.connection import Connection
from portal.sync.sources.kind import Setting, SourceKind
from portal.sync.sources.kinds import USUAL, kind_of
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.targets import Address, allowed_host
from portal.sync.throttle.windows import TimeWindows
from portal.sync.tls import check_authorities

LONGEST_NAME = 64
LONGEST_CA = 1_000_000
_LONGEST_ADDRESS = 2000
_LONGEST_CLIENT_ID = 255
_LONGEST_SECRET = 2000
_LONGEST_VALUE = 20_000
_MOST_ENTRIES = 200
# Behind which the paths of a profile are judged, whatever is wrong with the source's own.
_ANY_ADDRESS = "http://source.invalid"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class SettingRefused(NotAllowed):
    """One setting makes no sense.

    :ivar setting: its name in :class:`SourceForm`, or :func:`named` one of the kind's own
    """

    def __init__(self, setting: str, zh: str, en: str) -> None:
        self.setting = setting
        self.short = InvalidSetting(zh, en)
        super().__init__(f"数据源设置无效：{zh}", f"invalid data source: {en}")


@dataclass(frozen=True, slots=True)
class SourceForm:
    """Everything a data source is set to; profile and rules carry only what differs.

    ``settings`` are those of its kind, ``secrets`` the secret ones among them. A kind that has no
    login has no ``base_url`` of its own either, nor ``client_id`` and ``client_secret``.

    ``proxy`` is ``http[s]://[user:password@]host:port``, ``ca_pem`` certificates in PEM form; both
    are empty for none. ``rate_cap`` is requests a second, ``bandwidth_cap`` bytes a second;
    ``windows`` are as :class:`portal.sync.throttle.windows.TimeWindows` reads them.
    """

    name: str
    base_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    kind: str = USUAL
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    download_hosts: tuple[str, ...] = ()
    profile: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    concurrency_cap: int | None = None
    rate_cap: float | None = None
    bandwidth_cap: int | None = None
    windows: tuple[str, ...] = ()
    proxy: str = field(default="", repr=False)
    ca_pem: str = field(default="", repr=False)

    @property
    def of_kind(self) -> SourceKind:
        """The kind it is of.

        :raises InvalidSetting: when there is none of that name
        """
        return kind_of(self.kind)

    @property
    def values(self) -> dict[str, str]:
        """The values of all the kind's own settings, secrets among them."""
        return self.of_kind.complete({**self.settings, **self.secrets})

    @property
    def address(self) -> str:
        """Where the source is, as it may be shown."""
        kind = self.of_kind
        return self.base_url if kind.has_login else kind.address(self.values)[:_LONGEST_ADDRESS]

    @property
    def reached_at(self) -> str | None:
        """What of it is reached by HTTP, if anything is."""
        kind = self.of_kind
        return self.base_url if kind.has_login else kind.base_url(self.values)

    def connector_profile(self) -> ConnectorProfile:
        """What differs from the contract.

        :raises ValueError: naming what makes no sense
        """
        return ConnectorProfile.from_mapping(self.profile)

    def outbound_proxy(self) -> Proxy | None:
        """The proxy it is reached by.

        :raises ValueError: when it is none
        """
        return Proxy.parse(self.proxy) if self.proxy else None

    def connection(self) -> Connection | None:
        """How the source is reached by HTTP; none where it is not.

        :raises ValueError: naming what makes no sense
        """
        base_url = self.reached_at
        if base_url is None:
            return None
        return Connection(
            base_url=base_url,
            client_id=self.client_id,
            client_secret=self.client_secret,
            profile=self.connector_profile(),
            download_hosts=self.download_hosts,
            proxy=self.outbound_proxy(),
            ca_pem=self.ca_pem,
        )


def faults(form: SourceForm, stored: DataSource | None, now: datetime) -> list[SettingRefused]:
    """What makes no sense, at most one fault for each setting; no text holds a secret.

    :param stored: what it is set to so far: a CA that is there already may have expired since
    """
    found: dict[str, SettingRefused] = {}
    for setting, test in _tests(form, stored, now):
        if setting in found:
            continue
        try:
            test()
        except InvalidSetting as error:
            found[setting] = SettingRefused(setting, error.text("zh"), error.text("en"))
        except ValueError as error:
            found[setting] = SettingRefused(setting, str(error), str(error))
    return list(found.values())


def lacks_secret(
    form: SourceForm, stored: DataSource | None, refilled: Collection[str]
) -> SettingRefused | None:
    """Why a change is refused that would show a secret to a host it was not given for.

    :param refilled: the secrets that somebody has typed now
    """
    if stored is None:
        return None
    if not form.of_kind.has_login:
        return _lacks_own_secret(form, stored, refilled)
    if "client_secret" in refilled or is_same_host(stored, form.base_url):
        return None
    return SettingRefused(
        "client_secret",
        "源系统地址换了主机，请重新填写 clientSecret（已保存的只用于原来的主机）",
        "the base URL names another host: enter clientSecret again (the stored one is for the "
        "host it was given for)",
    )


def _lacks_own_secret(
    form: SourceForm, stored: DataSource, refilled: Collection[str]
) -> SettingRefused | None:
    before = stored.settings or {}
    for one in form.of_kind.settings:
        if one.goes_to is None or named(one.name) in refilled or not form.secrets.get(one.name):
            continue
        if before.get(one.goes_to) != form.settings.get(one.goes_to):
            return SettingRefused(
                named(one.name),
                f"地址变了，请重新填写{one.zh}（已保存的只用于原来的地址）",
                f"the address changed: enter the {one.en} again (the stored one is for the address "
                "it was given for)",
            )
    return None


def named(setting: str) -> str:
    """What a kind's own setting is called among all the settings."""
    return f"set_{setting}"


def is_same_host(stored: DataSource, base_url: str) -> bool:
    """Whether an address is at the host that the stored secret was given for."""
    try:
        return Address.parse(stored.base_url).host == Address.parse(base_url).host
    except ValueError:
        return False


def _tests(
    form: SourceForm, stored: DataSource | None, now: datetime
) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "name", lambda: _text(form.name, LONGEST_NAME, "数据源名称", "a name")
    if form.kind != (form.kind if stored is None else stored.kind):
        yield "kind", _refuse_other_kind
    yield from _login_tests(form) if form.of_kind.has_login else _kind_tests(form)
    yield from _common_tests(form, stored, now)


def _login_tests(form: SourceForm) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "base_url", lambda: _text(form.base_url, _LONGEST_ADDRESS, "源系统地址", "the base URL")
    yield "base_url", lambda: Connection(form.base_url, "", "")
    yield "base_url", lambda: _reachable(Connection(form.base_url, "", "").base.host)
    yield "client_id", lambda: _text(form.client_id, _LONGEST_CLIENT_ID, "clientId", "clientId")
    secret = form.client_secret
    yield "client_secret", lambda: _text(secret, _LONGEST_SECRET, "clientSecret", "clientSecret")


def _kind_tests(form: SourceForm) -> Iterator[tuple[str, Callable[[], object]]]:
    values = form.values
    for one in form.of_kind.settings:
        yield named(one.name), partial(_own, one, values[one.name])
    known = {one.name for one in form.of_kind.settings}
    for name in {*form.settings, *form.secrets} - known:
        yield named(name), partial(_unknown, name, known)


def _own(setting: Setting, value: str) -> None:
    if not value and not setting.required:
        return
    if setting.lines == 1:
        _text(value, _LONGEST_ADDRESS, setting.zh, setting.en)
    elif not value.strip() or len(value) > _LONGEST_VALUE or "\x00" in value:
        raise InvalidSetting(
            f"{setting.zh}须为 1–{_LONGEST_VALUE} 个字符",
            f"{setting.en} has 1 to {_LONGEST_VALUE} characters",
        )
    setting.check(value)


def _unknown(name: str, known: Collection[str]) -> None:
    words = ", ".join(sorted(known)) or "—"
    raise InvalidSetting(f"没有设置项 {name}；有 {words}", f"no setting {name}; there are {words}")


def _refuse_other_kind() -> None:
    raise InvalidSetting("数据源的类型不能更改", "the kind of a data source cannot be changed")


def _common_tests(
    form: SourceForm, stored: DataSource | None, now: datetime
) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "download_hosts", lambda: _entries(form.download_hosts, "下载主机", "download hosts")
    yield "download_hosts", lambda: [allowed_host(host.strip()) for host in form.download_hosts]
    yield "download_hosts", lambda: _reachable(*map(_host_of, form.download_hosts))
    yield "profile", lambda: ConnectorProfile.from_mapping(form.profile)
    yield (
        "profile",
        lambda: Connection(
            _ANY_ADDRESS, "", "", profile=ConnectorProfile.from_mapping(form.profile)
        ),
    )
    yield "rules", lambda: CompatibilityRules.from_mapping(form.rules)
    yield "concurrency_cap", lambda: _cap(form.concurrency_cap, 1, 1000, "并发上限", "concurrency")
    yield "rate_cap", lambda: _cap(form.rate_cap, 0.1, 100_000, "速率上限（每秒）", "rate")
    yield "bandwidth_cap", lambda: _bandwidth(form.bandwidth_cap)
    yield "windows", lambda: _entries(form.windows, "时间窗口", "time windows")
    yield "windows", lambda: TimeWindows(form.windows, ZoneInfo("UTC"))
    if form.proxy:
        yield "proxy", lambda: _reachable(Proxy.parse(form.proxy).host)
    if form.ca_pem and (stored is None or stored.ca_pem != form.ca_pem):
        yield "ca_pem", lambda: _check_ca(form.ca_pem, now)


def _text(value: str, longest: int, zh: str, en: str) -> None:
    if not value.strip():
        raise InvalidSetting(f"{zh}不能为空", f"{en} must not be empty")
    if len(value) > longest:
        raise InvalidSetting(f"{zh}须为 1–{longest} 个字符", f"{en} has 1 to {longest} characters")
    if _UNPRINTABLE.search(value):
        raise InvalidSetting(f"{zh}中有不可见的字符", f"{en} has a character that cannot be seen")


def _host_of(entry: str) -> str:
    return allowed_host(entry.strip())[0]


def _reachable(*hosts: str) -> None:
    """Refuse addresses that are never connected to, or that not all programs read alike."""
    for host in hosts:
        try:
            rule.check_host(host)
        except AddressForbidden as error:
            params = {"host": error.host, "address": error.address}
            zh, en = (reason("ADDRESS_FORBIDDEN", params, said) for said in ("zh", "en"))
            raise InvalidSetting(zh, en) from None
        address = literal(host.strip("[]"))
        if address is not None and not host.startswith("[") and address != host:
            raise InvalidSetting(
                f"{host}：地址须写作 {address}", f"{host}: write the address as {address}"
            )


def _entries(values: tuple[str, ...], zh: str, en: str) -> None:
    if len(values) > _MOST_ENTRIES or any(_UNPRINTABLE.search(value) for value in values):
        raise InvalidSetting(
            f"{zh}至多 {_MOST_ENTRIES} 个，每行一个",
            f"{en}: {_MOST_ENTRIES} at most, each on a line",
        )


def _cap(value: float | None, least: float, most: float, zh: str, en: str) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidSetting(f"{zh}须为 {least}–{most}", f"the {en} cap is {least} to {most}")


def _bandwidth(value: int | None) -> None:
    if value is not None and not 10_000 <= value <= 10**12:
        raise InvalidSetting(
            "带宽上限须为 10 KB/s 至 1 TB/s", "the bandwidth cap is 10 KB/s to 1 TB/s"
        )


def _check_ca(pem: str, now: datetime) -> None:
    if len(pem) > LONGEST_CA:
        raise InvalidSetting(
            f"私有证书：超过 {LONGEST_CA} 个字符", f"private CA: more than {LONGEST_CA} characters"
        )
    check_authorities(pem, now)
