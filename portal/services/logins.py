"""Logins that were not ended: each has a key that only its browser knows."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal.models import Login, User

_SHOWN = 20
_MANY = 5000
_LONGEST_ORIGIN = 80


def begin(session: Session, user: User, *, origin: str, now: datetime) -> str:
    """Begin a login; the ticket that its browser shows from now on."""
    key = secrets.token_urlsafe(32)
    row = Login(user_id=user.id, key_hash=_hash(key), began_at=now)
    row.origin = origin[:_LONGEST_ORIGIN]
    session.add(row)
    session.flush()
    return f"{row.id}.{key}"


def holder(session: Session, ticket: str, *, now: datetime, lifetime: timedelta) -> User | None:
    """Whose login a ticket is of, None when it is none or ended.

    :param lifetime: behind it a login is over, whatever is done with it
    """
    number = number_of(ticket)
    if number is None:
        return None
    query = select(User, Login).join(Login, Login.user_id == User.id).where(Login.id == number)
    found = session.execute(query).first()
    if found is None:
        return None
    user, row = found
    # Of one in the future the clock was put back since.
    fits = abs(now - row.began_at) < lifetime
    known = hmac.compare_digest(row.key_hash, _hash(ticket.partition(".")[2]))
    return user if fits and known and user.enabled else None


def number_of(ticket: str) -> int | None:
    """The login's number; None when the text is no ticket."""
    number = ticket.partition(".")[0]
    is_one = number.isascii() and number.isdecimal() and len(number) < 19
    return int(number) if is_one else None


def end(session: Session, ticket: str) -> None:
    """End one login. Idempotent."""
    session.execute(delete(Login).where(Login.id == number_of(ticket)))


def end_all(session: Session, user_id: int) -> int:
    """End every login of a user, at once and wherever it is; how many there were."""
    numbers = session.scalars(select(Login.id).where(Login.user_id == user_id)).all()
    session.execute(delete(Login).where(Login.user_id == user_id))
    return len(numbers)


def of_user(
    session: Session, user_id: int, *, now: datetime, lifetime: timedelta
) -> tuple[Sequence[Login], int]:
    """The newest logins of a user that were not ended, and how many there are."""
    mine = (Login.user_id == user_id, Login.began_at > now - lifetime)
    query = select(Login).where(*mine).order_by(Login.began_at.desc(), Login.id.desc())
    count = session.scalar(select(func.count()).where(*mine)) or 0
    return session.scalars(query.limit(_SHOWN)).all(), count


def count(session: Session) -> int:
    """How many there are of everybody."""
    return session.scalar(select(func.count()).select_from(Login)) or 0


def forget_old(session: Session, *, now: datetime, lifetime: timedelta) -> None:
    """Let go of those that are over by their age."""
    old = select(Login.id).where(Login.began_at < now - lifetime).limit(_MANY)
    ids = session.scalars(old).all()
    session.execute(delete(Login).where(Login.id.in_(ids)))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
