"""That the ledger was restored, as the trail says it: signed, since it explains a lost tail.

A restored trail ends where the backup's did and goes on from there, so anchors kept elsewhere
since the backup do not fit it. Who can only write the database cannot make such an event; who has
the secret key could, which is why it explains and never excuses: whoever verifies is told of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import AuditEvent, AuditSeal
from portal.seal_key import SealKey
from portal.services.retired_seal_keys import KeyRing

ACTION = "ledger.restore"


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore; ``seal`` is the last seal that the backup brought, 0 when there was none."""

    event_id: int
    at: datetime
    by: str
    backup: str
    seal: int


def signed_detail(
    session: Session, key: SealKey, *, backup: str, as_of: datetime
) -> dict[str, Any]:
    """What the event of a restore carries."""
    query = select(AuditSeal.no, AuditSeal.hash).order_by(AuditSeal.no.desc()).limit(1)
    newest = session.execute(query).first()
    detail: dict[str, Any] = {
        "backup": backup,
        "as_of": as_of.isoformat(),
        "seal": newest.no if newest else 0,
        "seal_hash": newest.hash if newest else "",
    }
    return detail | {"mac": key.mac(_digest(detail))}


def signed_restores(session: Session, keys: KeyRing) -> list[Restore]:
    """The restores that the trail tells of and our keys signed."""
    query = (
        select(AuditEvent.id, AuditEvent.at, AuditEvent.actor, AuditEvent.detail)
        .where(AuditEvent.action == ACTION)
        .order_by(AuditEvent.id)
    )
    return [
        Restore(row.id, row.at, row.actor, str(row.detail["backup"]), int(row.detail["seal"]))
        for row in session.execute(query)
        if _is_signed(row.id, row.detail, keys)
    ]


def _is_signed(event_id: int, detail: Mapping[str, Any] | None, keys: KeyRing) -> bool:
    if not detail or not isinstance(detail.get("seal"), int):
        return False
    signed = {name: value for name, value in detail.items() if name != "mac"}
    return keys.signed_event(event_id, _digest(signed), str(detail.get("mac", "")))


def _digest(detail: Mapping[str, Any]) -> str:
    text = json.dumps(["imgmig-restore-1", dict(detail)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
