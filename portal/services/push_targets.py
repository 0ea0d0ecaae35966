"""目标: adding, changing and removing targets, what holds them, and how each is reached."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.errors import InvalidSetting, NotAllowed, NotFound, SyncError, reason
from portal.models import Batch, Push, PushTarget
from portal.outbound.rule import AddressForbidden, rule
from portal.secret_box import SecretBox
from portal.services import audit, same_keys
from portal.sync.targets.base import Target
from portal.sync.targets.connection import DEFAULT_MAX_FILE_BYTES, FlagshipConnection
from portal.sync.targets.flagship import Flagship
from portal.sync.tls import check_authorities

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST = {
    "name": 64,
    "base_url": 2000,
    "app_id": 255,
    "app_secret": 2000,
    "account_id": 64,
    "tenant_id": 64,
    "language": 16,
    "user": 128,
    "bill_id_field": 128,
    "default_resource": 64,
}
_MAY_BE_EMPTY = frozenset({"tenant_id", "language"})
_NAMES = {
    "name": ("名称", "the name"),
    "base_url": ("目标地址", "the target address"),
    "app_id": ("应用 ID", "the app id"),
    "app_secret": ("应用密钥", "the app secret"),
    "account_id": ("账套 ID", "the account id"),
    "tenant_id": ("租户 ID", "the tenant id"),
    "language": ("语言", "the language"),
    "user": ("用户", "the user"),
    "bill_id_field": ("单据 ID 取自", "the field of the bill id"),
    "default_resource": ("缺省来源系统", "the default resource"),
    "max_file_bytes": ("单个文件上限", "the file limit"),
    "concurrency_cap": ("并发上限", "the concurrency"),
    "rate_cap": ("速率上限（每秒）", "the rate"),
}
_FIRST_PROBE_SECONDS, _LONGEST_PROBE_SECONDS = 5.0, 300.0


class TargetRefused(NotAllowed):
    """One setting of a target makes no sense; ``setting`` is its name in :class:`TargetForm`."""

    def __init__(self, setting: str, zh: str, en: str) -> None:
        self.setting = setting
        self.short = InvalidSetting(zh, en)
        super().__init__(f"目标设置无效：{zh}", f"invalid target: {en}")


@dataclass(frozen=True, slots=True)
class TargetForm:
    """Everything a target is set to, see :class:`portal.models.PushTarget`."""

    name: str
    base_url: str
    app_id: str
    app_secret: str = field(repr=False)
    account_id: str
    user: str
    user_type: str = "UserName"
    tenant_id: str = ""
    language: str = "zh_CN"
    ca_pem: str = field(default="", repr=False)
    bill_id_field: str = "bill_no"
    default_resource: str = "imgmig"
    confirmed_statuses: tuple[str, ...] = ()
    max_file_bytes: int = DEFAULT_MAX_FILE_BYTES
    concurrency_cap: int = 4
    rate_cap: float | None = None

    def connection(self) -> FlagshipConnection:
        """How it is reached.

        :raises InvalidSetting: naming what makes no sense
        """
        return FlagshipConnection(
            **{
                one.name: getattr(self, one.name)
                for one in fields(FlagshipConnection)
                if one.init and not one.name.endswith("_timeout")
            }
        )


#: What the trail tells of a target, and the form takes as it is stored.
_PLAIN = tuple(
    one.name
    for one in fields(TargetForm)
    if one.name not in ("name", "app_secret", "ca_pem", "confirmed_statuses")
)


def save(
    session: Session,
    form: TargetForm,
    *,
    box: SecretBox,
    by: str,
    now: datetime,
    target: PushTarget | None = None,
    secret_given: bool = True,
) -> PushTarget:
    """Add a target, or set this one to what the form says.

    :param secret_given: whether somebody has typed the secret now
    :raises TargetRefused: when a value makes no sense, there is one of that name already, or the
        stored secret would be used at another host
    """
    same_keys.require_current(session, box.fingerprint)
    connection = check(form, now=now, known_ca=target.ca_pem if target is not None else None)
    named = session.scalar(select(PushTarget.id).where(PushTarget.name == form.name))
    if named is not None and (target is None or named != target.id):
        raise TargetRefused("name", f"已有名为 {form.name} 的目标", "there is one of that name")
    if target is not None and not secret_given and _host_of(target) != connection.host:
        raise TargetRefused(
            "app_secret",
            "目标地址换了主机，请重新填写应用密钥（已保存的只用于原来的主机）",
            "the address names another host: enter the app secret again",
        )
    before = _told(target)
    action = "target.change"
    if target is None:
        action = "target.add"
        target = PushTarget(created_at=now, kind="flagship", enabled=True, probes=0)
        session.add(target)
    target.name = form.name
    for name in _PLAIN:
        setattr(target, name, getattr(form, name))
    target.base_url = connection.base_url
    target.app_secret_box = box.close(form.app_secret)
    target.ca_pem = form.ca_pem or None
    target.confirmed_statuses = list(form.confirmed_statuses)
    target.changed_at = now
    if target.hold_code is not None:
        target.probe_at = now
    session.flush()
    changes: dict[str, Any] = {
        name: [before.get(name), value]
        for name, value in _told(target).items()
        if before.get(name) != value
    }
    if secret_given:
        changes["secret_given"] = True
    audit.record(session, action, by=by, at=now, new=form.name[:40], detail=changes)
    return target


def check(form: TargetForm, *, now: datetime, known_ca: str | None = None) -> FlagshipConnection:
    """How the target is reached.

    :param known_ca: certificates that are stored already: they may have expired since
    :raises TargetRefused: for the first value that makes no sense
    """
    for name, longest in _LONGEST.items():
        zh, en = _NAMES[name]
        value = getattr(form, name)
        if not value.strip() and name not in _MAY_BE_EMPTY:
            raise TargetRefused(name, f"{zh}不能为空", f"{en} must not be empty")
        if len(value) > longest:
            raise TargetRefused(name, f"{zh}至多 {longest} 个字符", f"{en} has {longest} at most")
        if _UNPRINTABLE.search(value):
            raise TargetRefused(name, f"{zh}中有不可见的字符", f"{en} has unprintable characters")
    try:
        connection = form.connection()
        rule.check_host(connection.host)
    except InvalidSetting as error:
        raise TargetRefused("base_url", error.text("zh"), error.text("en")) from None
    except AddressForbidden as error:
        told = {"host": error.host, "address": error.address}
        texts = [reason("ADDRESS_FORBIDDEN", told, language) for language in ("zh", "en")]
        raise TargetRefused("base_url", *texts) from None
    _within(form, "max_file_bytes", 1, 10**10)
    _within(form, "concurrency_cap", 1, 64)
    _within(form, "rate_cap", 0.1, 10_000)
    if len(form.confirmed_statuses) > 20 or any(len(one) > 40 for one in form.confirmed_statuses):
        raise TargetRefused(
            "confirmed_statuses", "至多 20 个状态，每个至多 40 个字符", "20 statuses at most"
        )
    if form.ca_pem and form.ca_pem != known_ca:
        try:
            check_authorities(form.ca_pem, now)
        except InvalidSetting as error:
            raise TargetRefused("ca_pem", error.text("zh"), error.text("en")) from None
    return connection


def form_of(target: PushTarget, box: SecretBox, **named: Any) -> TargetForm:
    """What the stored target is set to, with the settings that are ``named`` in their place.

    :raises SecretUnreadable: when its secret is needed and was stored with another key
    """
    secret = named.pop("app_secret", None) or box.open(target.app_secret_box)
    stored = TargetForm(
        name=target.name,
        app_secret=secret,
        ca_pem=target.ca_pem or "",
        confirmed_statuses=tuple(target.confirmed_statuses),
        **{name: getattr(target, name) for name in _PLAIN},
    )
    return replace(stored, **named)


def set_enabled(
    session: Session, target: PushTarget, *, enabled: bool, by: str, now: datetime
) -> None:
    """Have it pushed to, or not; what was pushed stays. Idempotent."""
    if target.enabled == enabled:
        return
    target.enabled = enabled
    action = "target.enable" if enabled else "target.disable"
    audit.record(session, action, by=by, at=now, new=target.name[:40])


def remove(session: Session, target: PushTarget, *, by: str, now: datetime) -> None:
    """Delete a target that no batch, deleted ones included, was ever pushed to.

    :raises NotAllowed: else
    """
    if is_used(session, target.id):
        raise NotAllowed(
            f"{target.name} 有过推送的批次，单据和日志都指向它，不能删除；可以停用",
            f"{target.name} has had batches, which logs refer to; disable it instead",
        )
    audit.record(session, "target.delete", by=by, at=now, old=target.name[:40])
    session.delete(target)
    session.flush()


def open_target(
    target: PushTarget, box: SecretBox, *, pace: Callable[[], None] = lambda: None
) -> Target:
    """The target as its settings say; close it in the end.

    :param pace: waits until the next call may be sent
    :raises SecretUnreadable: when its secret was stored with another key
    """
    return Flagship(form_of(target, box).connection(), pace=pace)


def is_used(session: Session, target_id: int) -> bool:
    """Whether any batch or push names it."""
    uses = (
        exists().where(Batch.push_target_id == target_id),
        exists().where(Push.target_id == target_id),
    )
    return any(session.scalar(select(use)) for use in uses)


def find(session: Session, name: str, *, lock: bool = False) -> PushTarget:
    """The target of that name.

    :raises NotFound: when there is none
    """
    query = select(PushTarget).where(PushTarget.name == name)
    target = session.scalar(query.with_for_update() if lock else query)
    if target is None:
        raise NotFound(f"没有目标 {name}", f"there is no target {name}")
    return target


def get(session: Session, target_id: int, *, lock: bool = False) -> PushTarget:
    """The target with that id.

    :raises NotFound: when there is none
    """
    target = session.get(PushTarget, target_id, with_for_update=lock or None)
    if target is None:
        raise NotFound("没有这个目标", "there is no such target")
    return target


def all_targets(session: Session, *, enabled_only: bool = False) -> Sequence[PushTarget]:
    """Every target by name."""
    query = select(PushTarget).order_by(PushTarget.name)
    return session.scalars(query.where(PushTarget.enabled) if enabled_only else query).all()


def hold(
    session: Session, target_id: int, cause: SyncError, *, probed: bool, by: str, now: datetime
) -> None:
    """Have nothing pushed to it until a document that is tried gets through; idempotent.

    :param probed: a try while it was held has failed: the next one is later
    """
    target = get(session, target_id, lock=True)
    if target.hold_code is None:
        target.held_since, target.probes = now, 0
        audit.record(session, "target.hold", by=by, at=now, new=target.name[:40], reason=cause.code)
    elif not probed:
        return
    else:
        target.probes += 1
    seconds = min(_LONGEST_PROBE_SECONDS, _FIRST_PROBE_SECONDS * 2 ** min(target.probes, 10))
    target.hold_code, target.hold_params = cause.code, cause.params
    target.probe_at = now + timedelta(seconds=max(seconds, cause.retry_after or 0.0))


def lift(session: Session, target_id: int, *, by: str, now: datetime) -> None:
    """It serves again; idempotent."""
    target = get(session, target_id, lock=True)
    if target.hold_code is None:
        return
    audit.record(
        session, "target.lift", by=by, at=now, new=target.name[:40], reason=target.hold_code
    )
    target.hold_code = target.hold_params = target.held_since = target.probe_at = None
    target.probes = 0


def _within(form: TargetForm, setting: str, least: float, most: float) -> None:
    value: float | None = getattr(form, setting)
    zh, en = _NAMES[setting]
    if value is not None and not (math.isfinite(value) and least <= value <= most):
        raise TargetRefused(setting, f"{zh}须为 {least}–{most}", f"{en} is {least} to {most}")


def _host_of(target: PushTarget) -> str | None:
    try:
        return FlagshipConnection(target.base_url, "", "", "", "").host
    except InvalidSetting:
        return None


def _told(target: PushTarget | None) -> dict[str, Any]:
    """What the trail tells of it: all but its secret."""
    if target is None:
        return {}
    told = {name: getattr(target, name) for name in ("name", *_PLAIN)}
    told["confirmed_statuses"] = list(target.confirmed_statuses)
    return told | {"private_ca": target.ca_pem is not None}
