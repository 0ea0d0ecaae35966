"""数据源: adding connections, and opening them for the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.models import DataSource
from portal.secret_box import SecretBox
from portal.services import audit
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.sources.connection import Connection
from portal.sync.sources.profile import ConnectorProfile


@dataclass(frozen=True, slots=True)
class SourceForm:
    """What a person gives for a data source; profile and rules carry only what differs."""

    name: str
    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    download_hosts: tuple[str, ...] = ()
    profile: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    concurrency_cap: int | None = None


def save(
    session: Session, form: SourceForm, *, box: SecretBox, by: str, now: datetime
) -> DataSource:
    """Add a data source, or change the one of that name.

    :raises NotAllowed: when a value makes no sense, naming it
    """
    if not form.name.strip() or len(form.name) > 64:
        raise NotAllowed("数据源名称须为 1–64 个字符", "a name has 1 to 64 characters")
    if form.concurrency_cap is not None and not 1 <= form.concurrency_cap <= 1000:
        raise NotAllowed("并发上限须为 1–1000", "the concurrency cap is 1 to 1000")
    try:
        _connection(form)
        CompatibilityRules.from_mapping(form.rules)
    except ValueError as error:
        raise NotAllowed(f"数据源设置无效：{error}", f"invalid data source: {error}") from error
    source = session.scalar(select(DataSource).where(DataSource.name == form.name))
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
    session.flush()
    after = _told(source)
    detail: dict[str, Any] = {
        name: [before.get(name), value]
        for name, value in after.items()
        if name not in before or before[name] != value
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


def connection_of(source: DataSource, box: SecretBox) -> Connection:
    """How the stored source is reached, with its secret.

    :raises SecretUnreadable: see :meth:`SecretBox.open`
    """
    return _connection(
        SourceForm(
            name=source.name,
            base_url=source.base_url,
            client_id=source.client_id,
            client_secret=box.open(source.secret_box),
            download_hosts=tuple(source.download_hosts),
            profile=source.profile,
        )
    )


def _connection(form: SourceForm) -> Connection:
    return Connection(
        base_url=form.base_url,
        client_id=form.client_id,
        client_secret=form.client_secret,
        profile=ConnectorProfile.from_mapping(form.profile),
        download_hosts=form.download_hosts,
    )
