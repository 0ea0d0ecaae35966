"""Logging in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from portal.models import User
from portal.services import audit

# Compared with when the name is unknown, so that the answer takes as long as for a known one.
_NOBODY = generate_password_hash("nobody has this password")


def log_in(session: Session, name: str, *, password: str, now: datetime) -> User | None:
    """The user when name and password are right and the account is enabled; audited either way."""
    user = session.scalar(select(User).where(User.name == name))
    right = check_password_hash(user.password_hash if user else _NOBODY, password)
    if user is None or not user.enabled or not right:
        audit.record(session, "user.login-refused", by="anonymous", at=now, new=name[:40])
        return None
    audit.record(session, "user.login", by=user.name, at=now)
    return user
