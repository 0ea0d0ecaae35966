"""数据源: adding and changing connections, and reading them back for the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.models import DataSource
from portal.secret_box import SecretBox
from portal.services import audit, holds
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.proxy import Proxy
from portal.sync.sources.connection import Connection
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.throttle.windows import TimeWindows
from portal.sync.tls import check_authorities

_LONGEST_CA = 1_000_000


@dataclass(frozen=True, slots=True)
class SourceForm:
    """Everything a data source is set to; profile and rules carry only what differs.

    ``proxy`` is ``http[s]://[user:password@]host:port``, ``ca_pem`` certificates in PEM form; both
    are empty for none. ``rate_cap`` is requests a second, ``bandwidth_cap`` bytes a second;
    ``windows`` are as :class:`portal.sync.throttle.windows.TimeWindows` reads them.
    """

    name: str
    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    download_hosts: tuple[str, ...] = ()
    profile: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    concurrency_cap: int | None = None
    rate_cap: float | None = None
    bandwidth_cap: int | None = None
    windows: tuple[str, ...] = ()
    proxy: str = field(default="", repr=False)
    ca_pem: str = field(default="", repr=False)


def save(
    session: Session, form: SourceForm, *, box: SecretBox, by: str, now: datetime
) -> DataSource:
    """Add a data source, or set the one of that name to what the form says.

    :raises NotAllowed: when a value makes no sense, naming it
    """
    if not form.name.strip() or len(form.name) > 64:
        raise NotAllowed("数据源名称须为 1–64 个字符", "a name has 1 to 64 characters")
    if form.concurrency_cap is not None and not 1 <= form.concurrency_cap <= 1000:
        raise NotAllowed("并发上限须为 1–1000", "the concurrency cap is 1 to 1000")
    if form.rate_cap is not None and not 0.1 <= form.rate_cap <= 100_000:
        raise NotAllowed("速率上限须为每秒 0.1–100000 次", "the rate cap is 0.1 to 100000 a second")
    if form.bandwidth_cap is not None and form.bandwidth_cap < 10_000:
        raise NotAllowed("带宽上限至少 10 KB/s", "the bandwidth cap is 10 KB/s at least")
    source = session.scalar(select(DataSource).where(DataSource.name == form.name))
    try:
        connection = _connection(form)
        CompatibilityRules.from_mapping(form.rules)
        TimeWindows(form.windows, ZoneInfo("UTC"))
        if form.ca_pem and (source is None or source.ca_pem != form.ca_pem):
            _check_ca(form.ca_pem, now)
    except ValueError as error:
        raise NotAllowed(f"数据源设置无效：{error}", f"invalid data source: {error}") from error
    before = _told(source)
    action = "source.change"
    if source is None:
        source = DataSource(name=form.name, created_at=now, secret_box="")
        session.add(source)
        action = "source.add"
    source.base_url = form.base_url
    source.client_id = form.client_id
    source.secret_box = box.close(form.client_secret)
    source.download_hosts = list(form.download_hosts)
    source.profile = dict(form.profile)
    source.rules = dict(form.rules)
    source.concurrency_cap = form.concurrency_cap
    source.rate_cap = form.rate_cap
    source.bandwidth_cap = form.bandwidth_cap
    source.windows = list(form.windows)
    source.proxy_address = connection.proxy.address if connection.proxy else None
    source.proxy_box = box.close(form.proxy) if connection.proxy else None
    source.ca_pem = form.ca_pem or None
    session.flush()
    holds.probe_source(session, source, now=now)
    after = _told(source)
    detail: dict[str, Any] = {
        name: [before.get(name), value]
        for name, value in after.items()
        if (before.get(name) or None) != (value or None)
    }
    detail["secret_given"] = True  # whether it is another one nobody need know
    audit.record(session, action, by=by, at=now, new=form.name, detail=detail)
    return source


def _told(source: DataSource | None) -> dict[str, Any]:
    """What the trail tells of a data source: all but its secret."""
    if source is None:
        return {}
    return {
        "base_url": source.base_url,
        "client_id": source.client_id,
        "download_hosts": source.download_hosts,
        "profile": source.profile,
        "rules": source.rules,
        "concurrency_cap": source.concurrency_cap,
        "rate_cap": source.rate_cap,
        "bandwidth_cap": source.bandwidth_cap,
        "windows": source.windows,
        "proxy": source.proxy_address,
        "private_ca": source.ca_pem is not None,
    }


def find(session: Session, name: str) -> DataSource:
    """The data source of that name.

    :raises NotFound: when there is none
    """
    source = session.scalar(select(DataSource).where(DataSource.name == name))
    if source is None:
        raise NotFound(f"没有数据源 {name}", f"there is no data source {name}")
    return source


def all_sources(session: Session) -> Sequence[DataSource]:
    """Every data source by name."""
    return session.scalars(select(DataSource).order_by(DataSource.name)).all()


def form_of(
    source: DataSource, box: SecretBox, named: Mapping[str, Any] | None = None
) -> SourceForm:
    """What the stored source is set to, with the settings that are ``named`` in their place.

    A secret that is named is not opened, so that one stored with another key can be replaced.

    :raises SecretUnreadable: see :meth:`SecretBox.open`
    """
    values = dict(named or {})
    for one in fields(SourceForm):
        if one.name not in values:
            values[one.name] = _stored(source, one.name, box)
    return SourceForm(**values)


def connection_of(source: DataSource, box: SecretBox) -> Connection:
    """How the stored source is reached, with its secrets.

    :raises SecretUnreadable: see :meth:`SecretBox.open`
    """
    return _connection(form_of(source, box))


def _stored(source: DataSource, setting: str, box: SecretBox) -> Any:
    match setting:
        case "client_secret":
            return box.open(source.secret_box)
        case "proxy":
            return box.open(source.proxy_box) if source.proxy_box else ""
        case "ca_pem":
            return source.ca_pem or ""
        case "download_hosts" | "windows":
            return tuple(getattr(source, setting))
    return getattr(source, setting)


def _check_ca(pem: str, now: datetime) -> None:
    if len(pem) > _LONGEST_CA:
        raise ValueError(f"private CA: more than {_LONGEST_CA} characters")
    check_authorities(pem, now)


def _connection(form: SourceForm) -> Connection:
    return Connection(
        base_url=form.base_url,
        client_id=form.client_id,
        client_secret=form.client_secret,
        profile=ConnectorProfile.from_mapping(form.profile),
        download_hosts=form.download_hosts,
        proxy=Proxy.parse(form.proxy) if form.proxy else None,
        ca_pem=form.ca_pem,
    )
