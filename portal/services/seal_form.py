"""What of the trail is hashed, byte for byte, so that an outsider can do it again (ADR 5).

Form 1. JSON is always without spaces, keys sorted, in ASCII: every other character is written as
``\\uxxxx`` in lower-case hexadecimal, one beyond U+FFFF as its two UTF-16 units. An instant is
written in UTC with six digits, ``2026-11-22T08:00:00.000000+00:00``.

- **Event**: SHA-256 of the JSON array ``["imgmig-event-1", at, actor, origin, action, batch_id,
  document_id, old, new, reason, detail]``. Its id is not in it: the seal says in which order of
  ids the digests stand, so an event that was moved to another id can be told from a changed one.
- **Seal**: SHA-256 of the JSON array ``["imgmig-seal-1", no, previous, sealed_at, first_id,
  last_id, count, total, reached_id, ids, open_gaps, d]``; ``d`` is the SHA-256, in hexadecimal, of
  the digests one behind the other. ``previous`` is the hash of the seal before, 64 zeros at first.
- **MAC**: HMAC-SHA-256 of the seal's hash (its 64 ASCII characters) under the key of
  :class:`portal.seal_key.SealKey`.
- **Anchor**: the seal's number, a hyphen, and the first 20 characters of its hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select

from portal.models import AuditEvent, AuditSeal, table_of

FORM = 1
FIRST_PREVIOUS = "0" * 64
DIGEST_BYTES = 32
#: Stands for an event that cannot be read at all; no event has this digest, so it never verifies.
UNREADABLE = bytes(DIGEST_BYTES)
_ANCHOR_DIGITS = 20
_ANCHOR = re.compile(r"(?<![0-9A-Za-z-])([1-9][0-9]{0,17})-([0-9a-f]{20,64})(?![0-9A-Za-z])")
_encode = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode

AnyRow = Row[*tuple[Any, ...]]
EVENTS = table_of(AuditEvent).c


def event_rows() -> Select[Any]:
    """A query for events as :func:`event_digest` takes them, to be narrowed."""
    return select(
        EVENTS.id,
        EVENTS.at,
        EVENTS.actor,
        EVENTS.origin,
        EVENTS.action,
        EVENTS.batch_id,
        EVENTS.document_id,
        EVENTS.old,
        EVENTS.new,
        EVENTS.reason,
        EVENTS.detail,
    )


def event_digest(row: AnyRow) -> bytes:
    """The digest of one event of :func:`event_rows`."""
    _, at, *others = row
    text = _encode([f"imgmig-event-{FORM}", _instant(at), *others])
    return hashlib.sha256(text.encode("ascii")).digest()


def seal_hash(seal: AuditSeal) -> str:
    """The hash of a seal, from its other columns."""
    text = _encode(
        [
            f"imgmig-seal-{seal.form}",
            seal.no,
            seal.previous,
            _instant(seal.sealed_at),
            seal.first_id,
            seal.last_id,
            seal.count,
            seal.total,
            seal.reached_id,
            seal.ids,
            seal.open_gaps,
            hashlib.sha256(seal.digests).hexdigest(),
        ]
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True, order=True)
class Anchor:
    """What is kept of a seal outside the ledger."""

    no: int
    digest: str

    def __str__(self) -> str:
        return f"{self.no}-{self.digest}"


def anchor_of(no: int, digest: str) -> Anchor:
    """The anchor of a seal."""
    return Anchor(no, digest[:_ANCHOR_DIGITS])


def anchors_in(text: str) -> Iterator[Anchor]:
    """Every anchor in a text, such as a line of a job's log."""
    for found in _ANCHOR.finditer(text):
        yield Anchor(int(found.group(1)), found.group(2))


def _instant(value: datetime) -> str:
    return value.isoformat(timespec="microseconds")
