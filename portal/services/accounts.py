"""Logging in, and what people do with their own accounts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, reason
from portal.ledger import Ledger
from portal.models import User
from portal.services import audit, login_tries, logins, users
from portal.services.login_tries import Caller
from portal.services.password_hashes import hash_password, is_right, is_weaker


class WrongPassword(NotAllowed):
    """The password somebody gave for their own account is not theirs."""


class TooManyTries(NotAllowed):
    """LOGIN_TOO_MANY: nothing was compared.

    :ivar seconds: after which to try again, at least 1
    """

    code = "LOGIN_TOO_MANY"

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        said = {"seconds": seconds}
        super().__init__(reason(self.code, said, "zh"), reason(self.code, said, "en"))


@dataclass(frozen=True)
class LoggedIn:
    """Who has logged in, and the ticket by which the browser shows it."""

    user: User
    ticket: str


def log_in(ledger: Ledger, caller: Caller, *, password: str, now: datetime) -> LoggedIn | None:
    """A new login when name and password are right and the account is enabled.

    The password is checked outside of any transaction that writes: it takes a fifth of a second,
    for which nobody else could write on SQLite. A name nobody has, or whose account is disabled,
    is told apart from a wrong password by nothing: neither by the answer nor by its time nor by
    the waits.

    :raises TooManyTries: when name or address has to wait
    """
    _take_a_try(ledger, caller, now)
    with ledger.read() as session:
        user = session.scalar(select(User).where(User.name == caller.name))
    right = is_right(user.password_hash if user else None, password)
    if user is not None and user.enabled and right:
        better = hash_password(password) if is_weaker(user.password_hash) else None
        with ledger.write() as session:
            if _is_unchanged(session, user):
                login_tries.succeeded(session, caller)
                if better is not None:
                    users.get(session, user.id).password_hash = better
                audit.record(session, "user.login", by=user.name, at=now)
                ticket = logins.begin(session, user, origin=caller.origin, now=now)
                return LoggedIn(user, ticket)
    _tell_refused(ledger, "user.login-refused", by="anonymous", new=caller.name[:40], now=now)
    return None


def change_password(
    ledger: Ledger, user_id: int, *, old: str, new: str, origin: str, now: datetime
) -> LoggedIn:
    """Give oneself another password; every login of the old one is over, and a new one begins.

    As with a login, a wrong old password leaves its trace and is counted.

    :raises TooManyTries: when the old password was wrong too often
    :raises WrongPassword: when the old one is not right
    :raises NotAllowed: when the new one is too weak, or the old one again
    """
    with ledger.read() as session:
        user = users.get(session, user_id)
    caller = Caller(user.name, origin)
    _take_a_try(ledger, caller, now)
    if not is_right(user.password_hash, old):
        _tell_refused(ledger, "user.password-refused", by=user.name, new=None, now=now)
        raise WrongPassword("原密码不正确", "the old password is not right")
    with ledger.write() as session:
        login_tries.succeeded(session, caller)
    if old == new:
        raise NotAllowed("新密码与原密码相同", "the new password is the old one")
    with ledger.write() as session:
        if not _is_unchanged(session, user):
            raise WrongPassword("原密码不正确", "the old password is not right")
        users.set_password(session, user.name, password=new, by=user.name, now=now)
        ticket = logins.begin(session, user, origin=origin, now=now)
    with ledger.read() as session:
        return LoggedIn(users.get(session, user_id), ticket)


def _is_unchanged(session: Session, user: User) -> bool:
    """Whether the account is as it was when its password was compared; it stays so until the end
    of the transaction.
    """
    now = users.get(session, user.id, lock=True)
    return now.enabled and now.password_hash == user.password_hash


def _take_a_try(ledger: Ledger, caller: Caller, now: datetime) -> None:
    if wait := login_tries.ask(ledger, caller, now=now):
        raise TooManyTries(math.ceil(wait.total_seconds()))


def _tell_refused(ledger: Ledger, action: str, *, by: str, new: str | None, now: datetime) -> None:
    def tell(session: Session) -> None:
        left_out = login_tries.to_tell(session, now=now)
        if left_out is not None:
            detail = {"left_out": left_out} if left_out else None
            audit.record(session, action, by=by, at=now, new=new, detail=detail)

    try:
        ledger.transact(tell)
    except IntegrityError:  # somebody else told of the very first one in this moment
        ledger.transact(tell)
