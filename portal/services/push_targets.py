"""目标: adding, changing and removing targets, and how each is reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.errors import InvalidSetting, NotAllowed, NotFound
from portal.models import Batch, Push, PushTarget
from portal.secret_box import SecretBox
from portal.services import audit, same_keys
from portal.services.target_form import TargetForm, TargetRefused, check
from portal.sync.targets.base import Target
from portal.sync.targets.connection import FlagshipConnection
from portal.sync.targets.flagship import Flagship

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
