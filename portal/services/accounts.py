"""Logging in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from werkzeug.security import check_password_hash, generate_password_hash

from portal.ledger import Ledger
from portal.models import User
from portal.services import audit

# Compared with when the name is unknown, so that the answer takes as long as for a known one.
_NOBODY = generate_password_hash("nobody has this password")


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
