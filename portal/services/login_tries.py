"""Trying to log in, counted in the ledger: all web processes of all hosts share the counts."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import LoginWait
from portal.services.login_pace import FORGOTTEN, Count, Decision, Standing, decide

# Each of the three counts may be begun by somebody else in the moment that we begin it.
_TRIES = 5
_MANY = 5000
# What the trail tells of logins that failed: so many a minute, and how many it left out before.
_TOLD, _TOLD_IN = 30, timedelta(minutes=1)
_TRAIL = hashlib.sha256(b"trail").hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who tries: the name, and from where as the trusted proxies tell it."""

    name: str
    origin: str

    def keys(self) -> tuple[str, str, str]:
        """Under what is counted: the name from there, the name, the address."""
        name = unicodedata.normalize("NFKC", self.name).strip().casefold()
        place = _network(self.origin)
        return _key("here", name, place), _key("name", name), _key("address", place)


def ask(ledger: Ledger, caller: Caller, *, now: datetime) -> timedelta:
    """How long the caller has to wait; none: they may try now, and it is counted as a failure."""
    with ledger.read() as session:
        standing = _standing(caller, _counted(session, caller))
    decision = decide(standing, now)
    # One who has been told to wait costs no more than this look.
    if decision.then == standing:
        return decision.wait
    for left in reversed(range(_TRIES)):
        try:
            return ledger.transact(lambda session: _count(session, caller, now))
        except IntegrityError:  # somebody else began the same count in this moment
            if not left:
                raise
    raise AssertionError  # pragma: no cover


def _count(session: Session, caller: Caller, now: datetime) -> timedelta:
    """Only what is locked is changed: a count that was not there is begun, or others have it."""
    rows = _counted(session, caller, lock=True)
    decision: Decision = decide(_standing(caller, rows), now)
    then = decision.then
    for key, count in zip(caller.keys(), (then.here, then.name, then.address), strict=True):
        if count is not None:
            row = rows.get(key) or LoginWait(key=key)
            row.failures, row.until = count.failures, count.until
            row.changed_at = count.changed_at
            session.add(row)
    return decision.wait


def succeeded(session: Session, caller: Caller) -> None:
    """Count nothing against the name any more, and take the try back from the address.

    Not more: who has an account of their own could else guess others' without ever waiting.
    """
    here, name, address = caller.keys()
    session.execute(delete(LoginWait).where(LoginWait.key.in_([here, name])))
    row = session.get(LoginWait, address, with_for_update=True)
    if row is not None:
        row.failures = max(0, row.failures - 1)


def forgive(session: Session, name: str) -> None:
    """Count nothing against a name any more, as it has a new password."""
    _here, of_name, _address = Caller(name, "").keys()
    session.execute(delete(LoginWait).where(LoginWait.key == of_name))


def to_tell(session: Session, *, now: datetime) -> int | None:
    """Whether the trail is to tell of a failed login: None when it has enough of this minute.

    Else how many it has left out since it last told of one: whoever fails day and night does not
    bury what others did.
    """
    row = session.get(LoginWait, _TRAIL, with_for_update=True)
    if row is None:
        row = LoginWait(key=_TRAIL, failures=0, until=now + _TOLD_IN, changed_at=now)
        session.add(row)
    left_out = 0
    if not now < row.until <= now + _TOLD_IN:
        left_out = max(0, row.failures - _TOLD)
        row.failures, row.until = 0, now + _TOLD_IN
    row.failures += 1
    row.changed_at = now
    return left_out if row.failures <= _TOLD else None


def waiting(session: Session, *, now: datetime) -> int:
    """How many names, addresses or both have to wait just now."""
    query = select(func.count()).where(LoginWait.until > now, LoginWait.key != _TRAIL)
    return session.scalar(query) or 0


def forget_old(session: Session, *, now: datetime) -> None:
    """Let go of counts that nobody goes by any more."""
    old = select(LoginWait.key).where(
        (LoginWait.changed_at < now - FORGOTTEN) | (LoginWait.changed_at > now + FORGOTTEN),
        LoginWait.key != _TRAIL,
    )
    keys = session.scalars(old.limit(_MANY)).all()
    session.execute(delete(LoginWait).where(LoginWait.key.in_(keys)))


def _counted(session: Session, caller: Caller, *, lock: bool = False) -> dict[str, LoginWait]:
    query = select(LoginWait).where(LoginWait.key.in_(caller.keys())).order_by(LoginWait.key)
    return {row.key: row for row in session.scalars(query.with_for_update() if lock else query)}


def _standing(caller: Caller, rows: Mapping[str, LoginWait]) -> Standing:
    counted = map(rows.get, caller.keys())
    return Standing(
        *(Count(row.failures, row.until, row.changed_at) if row else None for row in counted)
    )


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _network(origin: str) -> str:
    """An address as one is given them: of IPv6 a whole network of 64 bits."""
    try:
        address = ip_address(origin.partition("%")[0])
    except ValueError:
        return origin
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
