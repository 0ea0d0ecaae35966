"""Accounts."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from portal.errors import NotAllowed, NotFound
from portal.models import Role, User
from portal.services import audit

SHORTEST_PASSWORD = 10
FIRST_ADMIN = "admin"


def random_password() -> str:
    """A password nobody has to invent: 16 characters, about 95 bits."""
    return secrets.token_urlsafe(12)


def add(session: Session, name: str, *, role: Role, password: str, by: str, now: datetime) -> User:
    """Add an account.

    :raises NotAllowed: when the name is taken or empty, or the password too short
    """
    if not name.strip() or len(name) > 64:
        raise NotAllowed("用户名须为 1–64 个字符", "a user name has 1 to 64 characters")
    if session.scalar(select(User).where(User.name == name)) is not None:
        raise NotAllowed(f"用户 {name} 已存在", f"user {name} exists already")
    user = User(name=name, role=role, password_hash=_hashed(password), enabled=True, created_at=now)
    session.add(user)
    audit.record(session, "user.add", by=by, at=now, new=name, detail={"role": role})
    return user


def set_password(session: Session, name: str, *, password: str, by: str, now: datetime) -> None:
    """Give an account a new password.

    :raises NotFound: when there is no such account
    :raises NotAllowed: when the password is too short
    """
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFound(f"没有用户 {name}", f"there is no user {name}")
    user.password_hash = _hashed(password)
    audit.record(session, "user.password", by=by, at=now, new=name)


def make_first_admin(session: Session, *, now: datetime) -> str | None:
    """On an empty list of accounts, add the admin and return its password, to be shown once."""
    if session.scalar(select(User.id).limit(1)) is not None:
        return None
    password = random_password()
    add(session, FIRST_ADMIN, role=Role.ADMIN, password=password, by="system", now=now)
    return password


def _hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise NotAllowed(
            f"密码至少 {SHORTEST_PASSWORD} 个字符",
            f"a password has at least {SHORTEST_PASSWORD} characters",
        )
    return generate_password_hash(password)
