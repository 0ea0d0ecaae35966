"""A sealed trail, and somebody who can write its database past the portal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import AuditEvent, AuditSeal, table_of
from portal.seal_key import SealKey
from portal.services import audit
from portal.services.audit_findings import TrailReport
from portal.services.audit_verification import verify_trail
from portal.services.seal_form import Anchor, seal_hash
from portal.services.sealing import MOST_EVENTS, newest_anchor, seal_state, seal_step

KEY = SealKey("the secret key of these tests, long enough")
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
EVENTS = table_of(AuditEvent)
SEALS = table_of(AuditSeal)
_MADE_BY = "SQL Original Statement"
_TRIGGERS = [
    f"{table}_no_{verb}"
    for table in ("audit_events", "audit_seals")
    for verb in ("update", "delete")
]


class Trail:
    """Short words for what is done to a trail, by us and by others."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = NOW
        self._written = 0

    # What the portal does.

    def write(self, count: int = 1) -> None:
        """So many events, each of them different."""
        with self.ledger.write() as session:
            self.add(session, count)

    def add(self, session: Session, count: int = 1) -> None:
        events = []
        for _ in range(count):
            self._written += 1
            events.append(
                audit.item_event(
                    by=f"w{self._written}", at=self.now, batch_id=1, document_id=self._written,
                    old="pending", new="failed", reason="FILE_CORRUPT",
                )
            )  # fmt: skip
        audit.record_items(session, events)

    def seal(self, *, limit: int = MOST_EVENTS, key: SealKey = KEY) -> list[int]:
        """Step until nothing is left; how many events each step sealed."""
        steps = []
        while count := seal_step(self.ledger, key, now=self.now, limit=limit):
            steps.append(count)
        return steps

    def unsealed(self) -> int:
        with self.ledger.read() as session:
            return seal_state(session).unsealed

    def anchor(self) -> Anchor:
        with self.ledger.read() as session:
            anchor = newest_anchor(session)
        assert anchor is not None
        return anchor

    def verify(self, *anchors: Anchor, key: SealKey = KEY) -> TrailReport:
        return verify_trail(self.ledger, key, anchors=anchors)

    def faults(self, *anchors: Anchor, key: SealKey = KEY) -> list[tuple[str, int]]:
        """Codes, without what they have in common, and events."""
        report = self.verify(*anchors, key=key)
        assert report.is_sound == (not report.faults)
        return [(fault.code.removeprefix("AUDIT_"), fault.event_id) for fault in report.faults]

    def seals(self) -> list[AuditSeal]:
        with self.ledger.read() as session:
            return list(session.query(AuditSeal).order_by(AuditSeal.no))

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # What somebody does who owns the database.

    def tamper(self, *statements: str, **values: Any) -> None:
        with self._disarmed() as session:
            for statement in statements:
                session.execute(text(statement), values)

    def rebuild(self, *, key: SealKey, since: int = 1) -> None:
        """Make every seal from number ``since`` on anew, from the events as they are now."""
        numbers = [seal.no for seal in self.seals() if seal.no >= since]
        self.tamper(*(f"DELETE FROM audit_seals WHERE no = {no}" for no in numbers))
        self.later(1)
        self.seal(key=key)

    def resign(self, no: int, **changes: Any) -> None:
        """Change a seal and make its hash fit again; only its key is not at hand."""
        with self._disarmed() as session:
            seal = session.get_one(AuditSeal, no)
            session.expunge(seal)
            for name, value in changes.items():
                setattr(seal, name, value)
            session.execute(
                update(SEALS).where(SEALS.c.no == no).values(hash=seal_hash(seal), **changes)
            )

    @property
    def is_postgresql(self) -> bool:
        return self._database == "postgresql"

    @property
    def is_sqlite(self) -> bool:
        return self._database == "sqlite"

    @property
    def _database(self) -> str:
        with self.ledger.read() as session:
            return session.get_bind().dialect.name

    @contextmanager
    def _disarmed(self) -> Iterator[Session]:
        """Past the triggers; on SQLite, where every test has a file of its own, for good."""
        with self.ledger.write() as session:
            if self.is_postgresql:
                session.execute(text("SET LOCAL session_replication_role = replica"))
                yield session
                return
            armed = self._triggers(session)
            for trigger in _TRIGGERS:
                session.execute(text(f"DROP TRIGGER IF EXISTS {trigger}"))
            try:
                yield session
            finally:
                for statement in armed:
                    session.execute(text(statement))

    def _triggers(self, session: Session) -> Sequence[str]:
        """What makes the triggers of MariaDB again."""
        if self.is_sqlite:
            return ()
        return [
            str(session.execute(text(f"SHOW CREATE TRIGGER {name}")).mappings().one()[_MADE_BY])
            for name in _TRIGGERS
        ]
