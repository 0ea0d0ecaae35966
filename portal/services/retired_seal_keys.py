"""Which key has to have signed what, in a trail that has outlived a secret key or two (ADR 21)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.models import AuditEvent, AuditSeal, RetiredSealKey
from portal.seal_key import RetiredKey, SealKey
from portal.services.seal_form import Anchor, anchor_of


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key of today, and those before it in the order in which they were retired."""

    today: SealKey
    retired: Sequence[RetiredKey]

    def signed_seal(self, no: int, digest: str, mac: str) -> bool:
        """Whether a seal was signed by the key that was to sign it then, and by no other."""
        for key in self.retired:
            if no <= key.last_no:
                return key.signed(digest, mac)
        return self.today.signed(digest, mac)

    def signed_event(self, event_id: int, digest: str, mac: str) -> bool:
        """The same of an event that carries a signature of its own."""
        if self.today.signed(digest, mac):
            return True
        return any(event_id <= key.last_event and key.signed(digest, mac) for key in self.retired)

    def anchors(self) -> Iterator[Anchor]:
        """The last seal of each retired key, as sure as if it were kept outside the ledger.

        So who has come by an old key cannot rebuild the chain with it.
        """
        for key in self.retired:
            if key.last_no:
                yield anchor_of(key.last_no, key.last_hash)


def key_ring(session: Session, today: SealKey) -> KeyRing:
    """The keys of the seals; what ``today`` did not keep is left out: it proves nothing."""
    kept = session.scalars(select(RetiredSealKey.kept))
    opened = [key for text in kept if (key := today.retired(text)) is not None]
    return KeyRing(today, sorted(opened, key=lambda key: key.order))


def retire(session: Session, old: SealKey, new: SealKey, *, now: datetime) -> int:
    """Have ``new`` keep ``old`` and all before it; the last seal that ``old`` signed.

    Nobody may seal in this moment: see :func:`portal.services.same_keys.require_current`.
    """
    order = 0
    for row in session.scalars(select(RetiredSealKey)):
        if (kept := old.rekept(row.kept, new)) is not None:
            row.kept, order = kept, order + 1
    query = select(AuditSeal.no, AuditSeal.hash).order_by(AuditSeal.no.desc()).limit(1)
    newest = session.execute(query).first()
    last_no, last_hash = (newest.no, newest.hash) if newest else (0, "")
    handed = old.handed_over(
        new,
        order=order,
        last_no=last_no,
        last_hash=last_hash,
        last_event=session.scalar(select(func.max(AuditEvent.id))) or 0,
    )
    session.add(RetiredSealKey(kept=handed, retired_at=now))
    return last_no
