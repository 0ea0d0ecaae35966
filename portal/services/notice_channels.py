"""Channels: adding, changing, testing and removing them; all by admins, all in the trail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound, SyncError
from portal.models import Notice, NoticeChannel
from portal.notify.channels import Channel, open_channel
from portal.notify.kinds import ChannelKind, NoticeEvent
from portal.outbound.rule import AddressForbidden, rule
from portal.secret_box import SecretBox, SecretUnreadable
from portal.services import audit, same_keys
from portal.statuses import NoticeStatus

LANGUAGES = ("zh", "en")
#: What is never shown again, and stays as it is when left empty.
SECRETS = ("url", "secret", "password")
_SERVER = ("host", "port", "security")


@dataclass(frozen=True, slots=True)
class ChannelForm:
    """What a channel is set to; ``config`` is as its kind wants it."""

    name: str
    kind: ChannelKind
    language: str
    events: tuple[NoticeEvent, ...]
    portal_url: str
    enabled: bool = True
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)


def all_channels(session: Session) -> Sequence[NoticeChannel]:
    """All of them by name."""
    return session.scalars(select(NoticeChannel).order_by(NoticeChannel.name)).all()


def find(session: Session, channel_id: int) -> NoticeChannel:
    """
    :raises NotFound: when there is none
    """
    channel = session.get(NoticeChannel, channel_id)
    if channel is None:
        raise NotFound("没有这个通知渠道", "there is no such channel")
    return channel


def save(
    session: Session,
    form: ChannelForm,
    *,
    channel: NoticeChannel | None = None,
    box: SecretBox,
    by: str,
    now: datetime,
) -> NoticeChannel:
    """Add a channel, or change one; a secret that is left empty stays.

    What its host's name stands for is judged whenever something is delivered.

    :raises NotAllowed: when a value makes no sense, naming it
    :raises SyncError: ADDRESS_FORBIDDEN when its host is an address that the rule forbids
    """
    name = form.name.strip()
    if not 0 < len(name) <= 64:
        raise NotAllowed("名称须为 1–64 个字符", "a name has 1 to 64 characters")
    twin = session.scalar(select(NoticeChannel).where(NoticeChannel.name == name))
    if twin is not None and twin is not channel:
        raise NotAllowed(f"已有名为“{name}”的渠道", f"there is a channel “{name}” already")
    config = dict(form.config)
    if channel is not None and channel.kind is form.kind:
        config |= _kept(channel, config, box)
    try:
        made = open_channel(form.kind, config)
    except ValueError as error:
        raise NotAllowed(str(error)) from error
    try:
        rule.check_host(made.host)
    except AddressForbidden as error:
        raise SyncError("ADDRESS_FORBIDDEN", host=error.host, address=error.address) from None
    same_keys.require_current(session, box.fingerprint)
    is_new = channel is None
    channel = channel or NoticeChannel(created_at=now)
    channel.name, channel.kind, channel.language = name, form.kind, form.language
    channel.events = [str(event) for event in form.events]
    channel.portal_url, channel.enabled = form.portal_url.rstrip("/")[:300], form.enabled
    channel.config_box, channel.shown = box.close(json.dumps(config)), made.shown[:300]
    session.add(channel)
    session.flush()
    _record(session, channel, "notice.add" if is_new else "notice.change", by=by, now=now)
    return channel


def _kept(channel: NoticeChannel, config: Mapping[str, Any], box: SecretBox) -> dict[str, Any]:
    """The stored secrets that were left empty; none when they were stored with another key.

    :raises NotAllowed: when a password would be sent to another server than it was given for
    """
    try:
        stored = config_of(channel, box)
    except SecretUnreadable:
        return {}
    kept = {key: stored[key] for key in SECRETS if not config.get(key) and stored.get(key)}
    if "password" in kept and any(config.get(key) != stored.get(key) for key in _SERVER):
        raise NotAllowed(
            "换了邮件服务器、端口或加密方式，请重新填写密码",
            "with another mail server, port or encryption, enter the password again",
        )
    return kept


def remove(session: Session, channel: NoticeChannel, *, by: str, now: datetime) -> None:
    """Remove a channel with what it was told."""
    _record(session, channel, "notice.remove", by=by, now=now)
    session.execute(delete(Notice).where(Notice.channel_id == channel.id))
    session.delete(channel)


def test(session: Session, channel: NoticeChannel, *, by: str, now: datetime) -> Notice:
    """Have it told that it works, whatever news it wants and even if it is switched off."""
    notice = Notice(
        channel=channel,
        event=NoticeEvent.TEST,
        facts={"by": by},
        status=NoticeStatus.WAITING,
        created_at=now,
        next_try_at=now,
    )
    session.add(notice)
    session.flush()
    _record(session, channel, "notice.test", by=by, now=now)
    return notice


def opened(channel: NoticeChannel, box: SecretBox) -> Channel:
    """The channel, to deliver by.

    :raises SecretUnreadable: when it was stored with another key
    :raises ValueError: when what is stored makes no sense
    """
    return open_channel(channel.kind, config_of(channel, box))


def config_of(channel: NoticeChannel, box: SecretBox) -> dict[str, Any]:
    """What it is set to, secrets included.

    :raises SecretUnreadable: when it was stored with another key
    """
    config: dict[str, Any] = json.loads(box.open(channel.config_box))
    return config


def _record(
    session: Session, channel: NoticeChannel, action: str, *, by: str, now: datetime
) -> None:
    detail = {
        "channel": channel.name,
        "kind": channel.kind,
        "address": channel.shown,
        "news": channel.events,
        "enabled": channel.enabled,
    }
    audit.record(session, action, by=by, at=now, detail=detail)
