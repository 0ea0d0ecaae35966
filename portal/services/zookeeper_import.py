"""Having a worker host read the older settings from ZooKeeper, for a page that then shows them.

What is secret, the login and what was found, lies sealed in the chore, and an hour at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.models import Chore
from portal.secret_box import SecretBox, SecretUnreadable
from portal.services import audit, chores, source_import
from portal.sync.sources.old_settings import OldSettings
from portal.sync.sources.zookeeper_place import ZooKeeperPlace

CHORE = "zookeeper"
_KEPT = timedelta(hours=1)


def ask(
    session: Session, place: ZooKeeperPlace, *, box: SecretBox, by: str, now: datetime
) -> Chore:
    """Have the settings read by the next clerk; nothing is changed anywhere."""
    forget_old(session, now=now)
    params = {"servers": str(place), "path": place.path}
    if place.login:
        params["login"] = box.close(place.login)
    note_reading(session, place, by=by, now=now)
    return chores.ask(session, CHORE, by=by, now=now, params=params)


def note_reading(session: Session, place: ZooKeeperPlace, *, by: str, now: datetime) -> None:
    """Write into the trail that somebody reads there, where a secret lies."""
    detail = {"servers": str(place), "path": place.path, "login": bool(place.login)}
    audit.record(session, "source.read-zookeeper", by=by, at=now, detail=detail)


def place_of(params: Mapping[str, Any], box: SecretBox) -> ZooKeeperPlace:
    """What was asked for, with its login.

    :raises SecretUnreadable: see :meth:`SecretBox.open`
    """
    login = box.open(params["login"]) if "login" in params else ""
    return ZooKeeperPlace.parse(params["servers"], params["path"], login)


def kept(settings: OldSettings, box: SecretBox) -> Mapping[str, Any]:
    """What was found, as a chore may keep it."""
    return {"sealed": source_import.sealed(settings, box)}


def found(chore: Chore, box: SecretBox) -> OldSettings:
    """What a chore that is done has found.

    :raises NotAllowed: when it cannot be read any more
    """
    return source_import.unsealed((chore.result or {}).get("sealed", ""), box)


def rotate(session: Session, old: SecretBox, new: SecretBox) -> tuple[int, int]:
    """Encrypt what lies in chores anew; how many values were, and how many could not be read."""
    moved = unreadable = 0
    for chore in session.scalars(select(Chore).where(Chore.kind == CHORE).with_for_update()):
        params, result = dict(chore.params), dict(chore.result or {})
        for values, name in ((params, "login"), (result, "sealed")):
            if name not in values:
                continue
            try:
                values[name] = new.close(old.open(values[name]))
            except SecretUnreadable:
                unreadable += 1
            else:
                moved += 1
        chore.params, chore.result = params, result or None
    return moved, unreadable


def forget_old(session: Session, *, now: datetime) -> None:
    """Let go of what was asked more than an hour ago, used or not."""
    old = (Chore.kind == CHORE, Chore.asked_at < now - _KEPT)
    session.execute(delete(Chore).where(*old))
