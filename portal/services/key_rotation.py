"""Replacing the secret key: whatever the old one had encrypted, the new one has (ADR 21).

One transaction: whoever looks sees all of it or nothing. It begins with the row that says whose
key the ledger's is, which everybody locks who writes what only that key can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Table, select, update
from sqlalchemy.orm import Session

from portal.key_derivation import fingerprint
from portal.models import Base, Installation
from portal.models.installation import ONLY
from portal.seal_key import SealKey
from portal.secret_box import SecretBox, SecretUnreadable
from portal.services import audit, retired_seal_keys, zookeeper_import

#: How the name of a column ends that holds what a :class:`SecretBox` has closed.
SEALED = "_box"


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done.

    :ivar secrets: so many are encrypted by the new key now
    :ivar unreadable: so many the old key could not read either; they stay as they were
    :ivar seal: the last seal of the trail that the old key signed, 0 for none
    """

    secrets: int
    unreadable: int
    seal: int


def rotate(session: Session, old: str, new: str, *, by: str, now: datetime) -> Rotation | None:
    """Replace the secret key ``old`` by ``new``; None when the ledger's is ``new`` already."""
    installation = session.get_one(Installation, ONLY, with_for_update=True)
    if installation.key_fingerprint == fingerprint(new):
        return None
    boxes = SecretBox(old), SecretBox(new)
    counts = [_moved(session, column, *boxes) for column in sealed_columns()]
    counts.append(zookeeper_import.rotate(session, *boxes))
    secrets, unreadable = (sum(numbers) for numbers in zip(*counts, strict=True))
    seal = retired_seal_keys.retire(session, SealKey(old), SealKey(new), now=now)
    installation.key_fingerprint, installation.noted_at = fingerprint(new), now
    audit.record(
        session,
        "key.rotate",
        by=by,
        at=now,
        old=fingerprint(old),
        new=fingerprint(new),
        detail={"secrets": secrets, "unreadable": unreadable, "seal": seal},
    )
    return Rotation(secrets, unreadable, seal)


def sealed_columns() -> list[Column[str]]:
    """Every column that holds encrypted secrets, by the ending of its name."""
    return [
        column
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith(SEALED)
    ]


def _moved(
    session: Session, column: Column[str], old: SecretBox, new: SecretBox
) -> tuple[int, int]:
    """Encrypt a column anew; how many were, and how many could not be read."""
    table: Table = column.table
    (key,) = table.primary_key.columns
    moved = unreadable = 0
    query = select(key, column).where(column.is_not(None), column != "").with_for_update()
    for row_key, closed in session.execute(query).all():
        try:
            opened = old.open(closed)
        except SecretUnreadable:
            unreadable += 1
            continue
        changed = {column: new.close(opened)}
        session.execute(update(table).where(key == row_key).values(changed))
        moved += 1
    return moved, unreadable
