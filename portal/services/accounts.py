"""Logging in, and what people do with their own accounts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from werkzeug.security import check_password_hash, generate_password_hash

from portal.errors import NotAllowed
from portal.ledger import Ledger
from portal.models import User
from portal.services import audit, users

# Compared with when the name is unknown, so that the answer takes as long as for a known one.
_NOBODY = generate_password_hash("nobody has this password")


class WrongPassword(NotAllowed):
    """The password somebody gave for their own account is not theirs."""


def log_in(ledger: Ledger, name: str, *, password: str, now: datetime) -> User | None:
    """The user when name and password are right and the account is enabled; audited either way.

    The password is checked outside of any transaction that writes: it takes a tenth of a second,
    for which nobody else could write on SQLite.
    """
    with ledger.read() as session:
        user = session.scalar(select(User).where(User.name == name))
    right = check_password_hash(user.password_hash if user else _NOBODY, password)
    accepted = user if user is not None and user.enabled and right else None
    with ledger.write() as session:
        if accepted is None:
            audit.record(session, "user.login-refused", by="anonymous", at=now, new=name[:40])
        else:
            audit.record(session, "user.login", by=accepted.name, at=now)
    return accepted


def change_password(ledger: Ledger, user_id: int, *, old: str, new: str, now: datetime) -> User:
    """Give oneself another password; every session of the old one is over.

    As with a login, a wrong old password leaves its trace.

    :raises WrongPassword: when the old one is not right
    :raises NotAllowed: when the new one is too weak, or the old one again
    """
    with ledger.read() as session:
        user = users.get(session, user_id)
    if not check_password_hash(user.password_hash, old):
        with ledger.write() as session:
            audit.record(session, "user.password-refused", by=user.name, at=now)
        raise WrongPassword("原密码不正确", "the old password is not right")
    if old == new:
        raise NotAllowed("新密码与原密码相同", "the new password is the old one")
    with ledger.write() as session:
        users.set_password(session, user.name, password=new, by=user.name, now=now)
    with ledger.read() as session:
        return users.get(session, user_id)
