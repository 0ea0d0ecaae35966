"""Taking over the four settings of the older procedure as a data source."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed
from portal.models import DataSource
from portal.secret_box import SecretBox, SecretUnreadable
from portal.services import audit, sources
from portal.services.source_form import SettingRefused, SourceForm, faults, is_same_host
from portal.sync.sources.kinds import kind_of
from portal.sync.sources.old_settings import (
    CLIENT_ID,
    CLIENT_SECRET,
    KEYS,
    STATUS,
    URL,
    OldSettings,
)

#: What the data source is called unless somebody says otherwise.
USUAL_NAME = "标准版影像"
LARGEST_FILE = 5_000_000
_KEY_OF = {"base_url": URL, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


@dataclass(frozen=True, slots=True)
class Found:
    """One of the settings as a preview shows it.

    ``value`` is what may be shown, empty where it is missing; ``before`` what it takes the place
    of, empty when nothing changes; ``fault`` what is wrong with it.
    """

    key: str
    value: str
    fault: SettingRefused | None
    before: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do.

    ``blocking`` are the keys without which it cannot be done, missing ones and faulty ones;
    ``changes`` tells whether a data source that exists would be another one afterwards.
    """

    found: tuple[Found, ...]
    replaces: bool
    enables: bool
    blocking: tuple[str, ...]
    changes: bool


def name_for(session: Session, settings: OldSettings) -> str:
    """What to call it: the name of the data source it is already, else the usual one."""
    twin = _twin(session, settings)
    return twin.name if twin is not None else USUAL_NAME


def preview(
    session: Session, settings: OldSettings, name: str, *, box: SecretBox, now: datetime
) -> Preview:
    """What importing under that name would do; nothing is changed."""
    stored = session.scalar(select(DataSource).where(DataSource.name == name))
    before = _before(stored, settings, box)
    wrong = {
        _KEY_OF[fault.setting]: fault
        for fault in faults(_form(settings, name), None, now)
        if fault.setting in _KEY_OF
    }
    missing = set(settings.missing)
    shown = {
        STATUS: settings.status,
        URL: settings.url,
        CLIENT_ID: settings.client_id,
        CLIENT_SECRET: masked(settings.client_secret),
    }
    needed: tuple[str, ...] = (URL, CLIENT_ID, CLIENT_SECRET)
    if stored is not None:
        is_moved = bool(settings.url) and not is_same_host(stored, settings.url)
        needed = (CLIENT_SECRET,) if is_moved else ()  # the stored one is for the old host
    return Preview(
        found=tuple(
            Found(key, shown[key], None if key in missing else wrong.get(key), before.get(key, ""))
            for key in KEYS
        ),
        replaces=stored is not None,
        enables=_enables(settings, stored),
        changes=stored is not None
        and (bool(before) or stored.enabled != _enables(settings, stored)),
        blocking=tuple(
            key
            for key in KEYS
            if (key in missing and key in needed) or (key in wrong and key not in missing)
        ),
    )


def masked(secret: str) -> str:
    """That there is a secret, and nothing of it but how long it is."""
    return f"•••••• ({len(secret)})" if secret else ""


def take_over(
    session: Session, settings: OldSettings, name: str, *, box: SecretBox, by: str, now: datetime
) -> DataSource:
    """Add the data source, or give the one of that name what was found; what is missing stays.

    It is enabled when the status says so, disabled when it says anything else; a status that is
    missing leaves one that exists as it is, and a new one disabled.

    :raises NotAllowed: when a new one would lack something or double one there is, or a value
        makes no sense
    """
    stored = session.scalar(select(DataSource).where(DataSource.name == name).with_for_update())
    if stored is not None and not kind_of(stored.kind).has_login:
        raise NotAllowed(
            f"数据源“{name}”是另一种类型，不能导入到其中；请另取名称",
            f"the data source “{name}” is of another kind; give another name",
        )
    lacking = [key for key in (URL, CLIENT_ID, CLIENT_SECRET) if key in settings.missing]
    if stored is None and lacking:
        keys = ", ".join(lacking)
        raise NotAllowed(f"没有找到 {keys}", f"{keys} not found")
    if stored is None and (twin := _twin(session, settings)) is not None:
        raise NotAllowed(
            f"数据源“{twin.name}”已是这个地址和 clientId；要更新它，名称填“{twin.name}”",
            f"the data source “{twin.name}” has this address and clientId already; to update it, "
            f"give that name",
        )
    if stored is None:
        source = sources.add(session, _form(settings, name), box=box, by=by, now=now)
    else:
        given = {
            setting: value
            for setting, value in asdict(_form(settings, name)).items()
            if setting in _KEY_OF and value
        }
        refilled = {"client_secret"} & set(given)
        form = sources.form_of(stored, box, given)
        source = sources.save(session, form, box=box, by=by, now=now, refilled=refilled)
    enabled = _enables(settings, stored)
    reason = f"{STATUS}={settings.status}"[:255]
    sources.set_enabled(session, source, enabled=enabled, by=by, now=now, reason=reason)
    if not enabled and (settings.status or stored is None):
        source.imported_status = settings.status[:64]
    detail = {
        "from": settings.servers or "text",
        "path": settings.path,
        "keys": [key for key in KEYS if key not in settings.missing],
    }
    audit.record(session, "source.import", by=by, at=now, new=name[:40], detail=detail)
    return source


def sealed(settings: OldSettings, box: SecretBox) -> str:
    """The settings as a page may carry them until they are confirmed: encrypted as a whole."""
    return box.close(json.dumps(asdict(settings)))


def unsealed(text: str, box: SecretBox) -> OldSettings:
    """What :func:`sealed` made.

    :raises NotAllowed: when it is anything else
    """
    try:
        values = json.loads(box.open(text))
        lists = {name: tuple(values[name]) for name in ("ambiguous", "unreadable")}
        found = OldSettings(**{**values, **lists})
        texts = (found.status, found.url, found.client_id, found.client_secret, found.servers)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a setting that is no text")
        return found
    except (SecretUnreadable, ValueError, TypeError, LookupError, RecursionError):
        raise NotAllowed(
            "预览已失效，请重新粘贴", "the preview is no longer valid: paste it again"
        ) from None


def _twin(session: Session, settings: OldSettings) -> DataSource | None:
    """The data source that reaches the same tenant at the same address, whatever its name."""
    if not settings.url or not settings.client_id:
        return None
    same = select(DataSource).where(DataSource.client_id == settings.client_id)
    return next(
        (
            source
            for source in session.scalars(same.order_by(DataSource.id))
            if _address(source.base_url) == _address(settings.url)
        ),
        None,
    )


def _address(url: str) -> str:
    return url.strip().rstrip("/").casefold()


def _before(stored: DataSource | None, settings: OldSettings, box: SecretBox) -> dict[str, str]:
    """What would be replaced by something else, by key; of the secret only that it is another."""
    if stored is None:
        return {}
    try:
        secret = box.open(stored.secret_box)
    except SecretUnreadable:
        secret = ""
    pairs = {
        URL: (stored.base_url, settings.url),
        CLIENT_ID: (stored.client_id, settings.client_id),
        CLIENT_SECRET: (secret, settings.client_secret),
    }
    return {
        key: masked(old) or "••••••" if key == CLIENT_SECRET else old
        for key, (old, new) in pairs.items()
        if new and new != old
    }


def _enables(settings: OldSettings, stored: DataSource | None) -> bool:
    if not settings.status and stored is not None:
        return stored.enabled
    return settings.is_enabled


def _form(settings: OldSettings, name: str) -> SourceForm:
    return SourceForm(
        name=name,
        base_url=settings.url,
        client_id=settings.client_id,
        client_secret=settings.client_secret,
    )
