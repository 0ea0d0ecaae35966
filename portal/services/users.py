"""Accounts: adding, changing, and what must not happen to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.models import Role, User
from portal.services import audit, login_tries, logins
from portal.services.password_hashes import hash_password
from portal.services.passwords import SHORTEST_PASSWORD, check_password, random_password

__all__ = ["SHORTEST_PASSWORD", "random_password"]

FIRST_ADMIN = "admin"
_LONGEST_NAME = 64
_NAME = re.compile(r"[\w.@-]+")
# Who else acts in the trail: nobody is to look like them.
_NOT_PEOPLE = frozenset({"system", "anonymous", "xxl-job", "demo", "agent"})


def add(session: Session, name: str, *, role: Role, password: str, by: str, now: datetime) -> User:
    """Add an account.

    :raises NotAllowed: when the name is taken or none, or the password too weak
    """
    _check_name(name)
    if session.scalar(select(User).where(User.name == name)) is not None:
        raise NotAllowed(f"用户 {name} 已存在", f"user {name} exists already")
    password_hash = _hashed(password, name)
    user = User(name=name, role=role, password_hash=password_hash, enabled=True, created_at=now)
    session.add(user)
    session.flush()
    audit.record(session, "user.add", by=by, at=now, new=name[:40], detail={"role": role})
    return user


def all_users(session: Session) -> Sequence[User]:
    """Everybody by name."""
    return session.scalars(select(User).order_by(User.name)).all()


def find(session: Session, name: str) -> User:
    """The account of that name, locked until the transaction ends where the database can.

    :raises NotFound: when there is none
    """
    user = session.scalar(select(User).where(User.name == name).with_for_update())
    if user is None:
        raise NotFound(f"没有用户 {name}", f"there is no user {name}")
    return user


def get(session: Session, user_id: int, *, lock: bool = False) -> User:
    """The account with that id.

    :raises NotFound: when there is none
    """
    user = session.get(User, user_id, with_for_update=lock or None)
    if user is None:
        raise NotFound("没有这个用户", "there is no such user")
    return user


def set_password(session: Session, name: str, *, password: str, by: str, now: datetime) -> None:
    """Give an account a new password, which ends all its logins.

    Who was kept waiting for wrong ones need not wait for the new one.

    :raises NotFound: when there is no such account
    :raises NotAllowed: when the password is too weak
    """
    user = find(session, name)
    user.password_hash = _hashed(password, name)
    logins.end_all(session, user.id)
    login_tries.forgive(session, name)
    audit.record(session, "user.password", by=by, at=now, new=name[:40])


def set_enabled(session: Session, user: User, *, enabled: bool, by: str, now: datetime) -> None:
    """Let somebody log in, or no longer: who is logged in is out at once. Idempotent.

    :raises NotAllowed: when it is the last enabled admin, or oneself
    """
    if user.enabled == enabled:
        return
    if not enabled:
        if user.name == by:
            raise NotAllowed("不能停用自己", "nobody can disable themselves")
        _keep_an_admin(session, user)
    user.enabled = enabled
    if not enabled:
        logins.end_all(session, user.id)
    action = "user.enable" if enabled else "user.disable"
    audit.record(session, action, by=by, at=now, new=user.name[:40])


def end_logins(session: Session, user: User, *, by: str, now: datetime) -> int:
    """End every login of somebody, also the one from which it is done; how many there were."""
    ended = logins.end_all(session, user.id)
    detail = {"logins": ended}
    audit.record(session, "user.end-logins", by=by, at=now, new=user.name[:40], detail=detail)
    return ended


def set_role(session: Session, user: User, role: Role, *, by: str, now: datetime) -> None:
    """Let somebody do more or less, from the next page on. Idempotent.

    :raises NotAllowed: when it is the last enabled admin
    """
    if user.role is role:
        return
    if role is not Role.ADMIN:
        _keep_an_admin(session, user)
    detail = {"user": user.name}
    audit.record(session, "user.role", by=by, at=now, old=user.role, new=role, detail=detail)
    user.role = role


def set_locale(session: Session, user: User, locale: str, *, now: datetime) -> None:
    """Keep the language somebody has chosen for themselves. Idempotent."""
    if user.locale == locale:
        return
    audit.record(session, "user.language", by=user.name, at=now, old=user.locale, new=locale)
    user.locale = locale


def make_first_admin(session: Session, *, now: datetime) -> str | None:
    """On an empty list of accounts, add the admin and return its password, to be shown once."""
    if session.scalar(select(User.id).limit(1)) is not None:
        return None
    password = random_password()
    add(session, FIRST_ADMIN, role=Role.ADMIN, password=password, by="system", now=now)
    return password


def _keep_an_admin(session: Session, user: User) -> None:
    """Refuse to lose the last enabled admin; all of them are locked, so that no two go at once."""
    query = select(User).where(User.role == Role.ADMIN, User.enabled.is_(True)).order_by(User.id)
    admins = session.scalars(query.with_for_update()).all()
    if [admin.id for admin in admins] == [user.id]:
        raise NotAllowed(
            f"{user.name} 是最后一个启用的管理员，否则再没有人能管理用户",
            f"{user.name} is the last enabled admin: nobody could manage users any more",
        )


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise NotAllowed("用户名须为 1–64 个字符", "a user name has 1 to 64 characters")
    if not _NAME.fullmatch(name) or name.casefold() in _NOT_PEOPLE:
        raise NotAllowed(
            "用户名只能用文字、数字和 . _ - @，且不能是系统自用的名称",
            "a user name has letters, digits and . _ - @, and is none the system uses itself",
        )


def _hashed(password: str, user_name: str) -> str:
    check_password(password, user_name)
    return hash_password(password)
