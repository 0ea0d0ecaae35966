"""数据源: adding, changing and removing connections, and reading them back for the engine."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.logs.redaction import redactor
from portal.models import (
    Batch,
    DataSource,
    Document,
    Hold,
    Reconciliation,
    SourceCatalogue,
    SourceLevel,
)
from portal.secret_box import SecretBox
from portal.services import audit, holds, same_keys
from portal.services.source_form import SettingRefused, SourceForm, faults, lacks_secret, named
from portal.statuses import RunStatus
from portal.sync.sources.connection import Connection
from portal.sync.sources.kinds import kind_of

__all__ = ["SettingRefused", "SourceForm"]


def save(
    session: Session,
    form: SourceForm,
    *,
    box: SecretBox,
    by: str,
    now: datetime,
    refilled: Collection[str] = ("client_secret",),
) -> DataSource:
    """Add a data source, or set the one of that name to what the form says.

    :param refilled: which of its secrets, ``client_secret`` and ``proxy``, somebody has typed
        now; the trail says so, and whether it is another one nobody need know
    :raises SettingRefused: when a value makes no sense, naming it, or when the stored secret
        would be used at another host
    """
    query = select(DataSource).where(DataSource.name == form.name)
    same_keys.require_current(session, box.fingerprint)
    source = session.scalar(query.with_for_update())
    found = faults(form, source, now)
    if found:
        raise found[0]
    lacking = lacks_secret(form, source, refilled)
    if lacking is not None:
        raise lacking
    proxy = form.outbound_proxy()
    before = _told(source)
    action = "source.change"
    if source is None:
        source = DataSource(
            name=form.name, kind=form.kind, created_at=now, secret_box="", enabled=True
        )
        session.add(source)
        action = "source.add"
    secrets = {name: value for name, value in form.secrets.items() if value}
    source.settings = dict(form.settings)
    source.settings_box = box.close(json.dumps(secrets)) if secrets else None
    for value in secrets.values():
        redactor.learn_text(value)
    source.base_url = form.address
    source.client_id = form.client_id
    source.secret_box = box.close(form.client_secret)
    source.download_hosts = list(form.download_hosts)
    source.profile = dict(form.profile)
    source.rules = dict(form.rules)
    source.concurrency_cap = form.concurrency_cap
    source.rate_cap = form.rate_cap
    source.bandwidth_cap = form.bandwidth_cap
    source.windows = list(form.windows)
    source.proxy_address = proxy.address if proxy else None
    source.proxy_box = box.close(form.proxy) if proxy else None
    source.ca_pem = form.ca_pem or None
    source.changed_at = now
    session.flush()
    holds.probe_source(session, source, now=now)
    after = _told(source)
    detail: dict[str, Any] = {
        name: [before.get(name), value]
        for name, value in after.items()
        if (before.get(name) or None) != (value or None)
    }
    if secret_names(form) & set(refilled):
        detail["secret_given"] = True
    if "proxy" in refilled and form.proxy:
        detail["proxy_secret_given"] = True
    audit.record(session, action, by=by, at=now, new=form.name[:40], detail=detail)
    return source


def add(
    session: Session, form: SourceForm, *, box: SecretBox, by: str, now: datetime
) -> DataSource:
    """Add a data source.

    :raises SettingRefused: when a value makes no sense, or there is one of that name
    """
    if session.scalar(select(DataSource.id).where(DataSource.name == form.name)) is not None:
        raise SettingRefused(
            "name", f"已有名为 {form.name} 的数据源", f"there is a data source {form.name} already"
        )
    refilled = secret_names(form) | ({"proxy"} if form.proxy else set())
    return save(session, form, box=box, by=by, now=now, refilled=refilled)


def secret_names(form: SourceForm) -> set[str]:
    """The secrets that a source of its kind has, by their names among all the settings."""
    if form.of_kind.has_login:
        return {"client_secret"}
    return {named(name) for name, value in form.secrets.items() if value}


def set_enabled(
    session: Session,
    source: DataSource,
    *,
    enabled: bool,
    by: str,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Let new batches be made of it, or no longer; those that are there go on. Idempotent."""
    if source.enabled == enabled:
        return
    source.enabled = enabled
    if enabled:
        source.imported_status = None
    action = "source.enable" if enabled else "source.disable"
    audit.record(session, action, by=by, at=now, new=source.name[:40], reason=reason)


def remove(session: Session, source: DataSource, *, by: str, now: datetime) -> None:
    """Delete a data source that was never used.

    :raises NotAllowed: when there are, or were, batches or documents of it
    """
    if is_used(session, source.id):
        raise NotAllowed(
            f"{source.name} 有过迁移批次或对账，单据和日志都指向它，不能删除；可以停用",
            f"{source.name} has had batches or reconciliations, which documents and logs refer to; "
            "disable it instead",
        )
    session.execute(delete(SourceCatalogue).where(SourceCatalogue.data_source_id == source.id))
    session.execute(delete(SourceLevel).where(SourceLevel.data_source_id == source.id))
    session.execute(delete(Hold).where(Hold.data_source_id == source.id))
    audit.record(session, "source.delete", by=by, at=now, old=source.name[:40])
    session.delete(source)
    session.flush()


def is_used(session: Session, source_id: int) -> bool:
    """Whether a batch, deleted ones included, a document or a reconciliation is of it."""
    uses: tuple[ColumnElement[bool], ...] = tuple(
        exists().where(model.data_source_id == source_id)
        for model in (Batch, Document, Reconciliation)
    )
    return any(session.scalar(select(use)) for use in uses)


def unfinished_batches(session: Session, source_id: int) -> Sequence[Batch]:
    """Its batches that run or wait, the oldest first."""
    return session.scalars(
        select(Batch)
        .where(
            Batch.data_source_id == source_id,
            Batch.deleted_at.is_(None),
            Batch.run_status.in_((RunStatus.WAITING, RunStatus.RUNNING)),
        )
        .order_by(Batch.id)
    ).all()


def _told(source: DataSource | None) -> dict[str, Any]:
    """What the trail tells of a data source: all but its secret."""
    if source is None:
        return {}
    return {
        "kind": source.kind,
        "base_url": source.base_url,
        "settings": source.settings,
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


def get(session: Session, source_id: int, *, lock: bool = False) -> DataSource:
    """The data source with that id, locked until the transaction ends where the database can.

    :raises NotFound: when there is none
    """
    source = session.get(DataSource, source_id, with_for_update=lock or None)
    if source is None:
        raise NotFound("没有这个数据源", "there is no such data source")
    return source


def all_sources(session: Session) -> Sequence[DataSource]:
    """Every data source by name."""
    return session.scalars(select(DataSource).order_by(DataSource.name)).all()


def form_of(
    source: DataSource, box: SecretBox, given: Mapping[str, Any] | None = None
) -> SourceForm:
    """What the stored source is set to, with what is ``given`` in its place.

    A secret that is given is not opened, so that one stored with another key can be replaced; of
    the kind's own settings and secrets those given replace those of the same name.

    :raises SecretUnreadable: see :meth:`SecretBox.open`
    """
    values = {"settings": {}, "secrets": {}, **(given or {})}
    for one in fields(SourceForm):
        if one.name not in values:
            values[one.name] = _stored(source, one.name, box)
    values["settings"] = {**(source.settings or {}), **values["settings"]}
    values["secrets"] = _with_stored(source, box, values["secrets"])
    return SourceForm(**values)


def connection_of(source: DataSource, box: SecretBox) -> Connection | None:
    """How the stored source is reached by HTTP, with its secrets; none where it is not.

    :raises SecretUnreadable: see :meth:`SecretBox.open`
    """
    return form_of(source, box).connection()


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


def _secrets(source: DataSource, box: SecretBox) -> dict[str, str]:
    if source.settings_box is None:
        return {}
    secrets: dict[str, str] = json.loads(box.open(source.settings_box))
    for value in secrets.values():
        redactor.learn_text(value)
    return secrets


def _with_stored(source: DataSource, box: SecretBox, given: Mapping[str, str]) -> Mapping[str, str]:
    """The secrets with those given in their place; nothing is opened that is replaced wholly."""
    names = {one.name for one in kind_of(source.kind).settings if one.secret}
    return dict(given) if names <= given.keys() else {**_secrets(source, box), **given}
