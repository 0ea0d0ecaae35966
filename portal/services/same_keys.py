"""All hosts need the same secret key and the same executor token; a ledger knows which.

With another key sessions of the other hosts' pages end, stored secrets cannot be read and seals
count as forged. So a process whose keys are not those of the ledger does not start.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.key_derivation import fingerprint
from portal.ledger import Ledger
from portal.models import Installation
from portal.models.installation import ONLY
from portal.services import audit


@dataclass(frozen=True, slots=True)
class Keys:
    """Fingerprints: they tell keys apart and give nothing of them away.

    :param token: None when the token is a setting, which admin and hosts are given together
    """

    key: str
    token: str | None

    @classmethod
    def of(cls, key: str, made_token: str | None) -> Keys:
        """Of a secret key's fingerprint, and of the token that a host made itself."""
        token = None if made_token is None else fingerprint(made_token, b"executor token")
        return cls(key, token)


def check(ledger: Ledger, keys: Keys, *, now: datetime) -> None:
    """See that these keys are the ledger's; those of the first host become the ledger's.

    :raises SyncError: SECRET_KEY_DIFFERS or EXECUTOR_TOKEN_DIFFERS
    """
    with ledger.read() as session:
        known = session.get(Installation, ONLY)
    if known is None or (known.token_fingerprint is None and keys.token is not None):
        known = _note(ledger, keys, now)
    if not hmac.compare_digest(known.key_fingerprint, keys.key):
        raise SyncError("SECRET_KEY_DIFFERS", here=keys.key, ledger=known.key_fingerprint)
    if keys.token is not None and known.token_fingerprint != keys.token:
        raise SyncError("EXECUTOR_TOKEN_DIFFERS")


def require_current(session: Session, key: str) -> None:
    """See that a secret key is the ledger's still, and that it stays so until the commit.

    For whoever writes what only this key can read, or signs with it: a process may be older than
    the last change of keys.

    :param key: its fingerprint
    :raises SyncError: SECRET_KEY_CHANGED
    """
    asked = select(Installation.key_fingerprint).where(Installation.id == ONLY)
    known = session.scalar(asked.with_for_update(read=True))
    if known is not None and not hmac.compare_digest(known, key):
        raise SyncError("SECRET_KEY_CHANGED")


def noted_key(session: Session) -> str | None:
    """The fingerprint of the ledger's secret key; None before the first start."""
    return session.scalar(select(Installation.key_fingerprint).where(Installation.id == ONLY))


def is_current(session: Session, key: str) -> bool:
    """Whether a secret key, by its fingerprint, is the ledger's."""
    known = noted_key(session)
    return known is None or hmac.compare_digest(known, key)


def accept(session: Session, keys: Keys, *, by: str, now: datetime) -> bool:
    """Make these keys the ledger's; False when they are already."""
    known = session.get(Installation, ONLY, with_for_update=True)
    if known is None:
        known = Installation(id=ONLY, key_fingerprint="")
        session.add(known)
    token = keys.token or known.token_fingerprint
    if (known.key_fingerprint, known.token_fingerprint) == (keys.key, token):
        return False
    old, known.key_fingerprint, known.token_fingerprint = known.key_fingerprint, keys.key, token
    known.noted_at = now
    audit.record(session, "key.accept", by=by, at=now, old=old or None, new=keys.key)
    return True


def _note(ledger: Ledger, keys: Keys, now: datetime) -> Installation:
    """Write down what is not known yet; what the ledger then says, by whomever."""

    def note(session: Session) -> None:
        known = session.get(Installation, ONLY, with_for_update=True)
        if known is None:
            session.add(
                Installation(
                    id=ONLY,
                    key_fingerprint=keys.key,
                    token_fingerprint=keys.token,
                    noted_at=now,
                )
            )
        elif known.key_fingerprint == keys.key and known.token_fingerprint is None:
            known.token_fingerprint = keys.token

    with suppress(IntegrityError):  # another host was the first in this moment
        ledger.transact(note)
    with ledger.read() as session:
        return session.get_one(Installation, ONLY)
