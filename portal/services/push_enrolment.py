"""Which documents are to be pushed: found beside the engine, which knows nothing of targets.

A batch with a target is walked in pages, by the index that its pages use too; what has no push yet
gets one. It is walked again when more of it has been archived. Replaced documents are found by
their earlier versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import (
    Batch,
    BatchItem,
    Document,
    DocumentVersion,
    Push,
    PushTarget,
    table_of,
)
from portal.services import push_reports, pushes
from portal.statuses import ItemStatus, PushStatus

_PAGE = 500
# Versions may be committed in another order than they are numbered in.
_MARGIN = 1000


class Enrolment:
    """Finds what is to be pushed; keeps in memory how far each batch was looked through.

    :param owner: who does it, as the trail says
    """

    def __init__(self, ledger: Ledger, owner: str) -> None:
        self._ledger = ledger
        self._owner = owner
        self._walked: dict[int, int] = {}
        self._last_version = 0

    def step(self, now: datetime, *, between: Callable[[], object] = lambda: None) -> int:
        """Look through what has changed since the last time; how many are to be pushed now.

        :param between: called after each page
        """
        found = 0
        for batch_id, target_id, done in self._changed():
            found += self._walk(batch_id, target_id, now, between)
            self._walked[batch_id] = done
        return found + self._replaced(now)

    def _changed(self) -> Sequence[tuple[int, int, int]]:
        query = (
            select(Batch.id, Batch.push_target_id, (Batch.synced + Batch.skipped).label("done"))
            .join(PushTarget, PushTarget.id == Batch.push_target_id)
            .where(PushTarget.enabled, Batch.deleted_at.is_(None))
            .order_by(Batch.id)
        )
        with self._ledger.read() as session:
            rows = session.execute(query).all()
        return [
            (row.id, row.push_target_id, row.done)
            for row in rows
            if row.done and self._walked.get(row.id) != row.done
        ]

    def _walk(
        self, batch_id: int, target_id: int, now: datetime, between: Callable[[], object]
    ) -> int:
        found = 0
        for status in push_reports.ARCHIVED:
            after = 0
            while True:
                with self._ledger.read() as session:
                    ids = _page(session, batch_id, status, after)
                    missing = _without_push(session, target_id, ids)
                if missing:
                    found += self._enrol(batch_id, target_id, missing, now)
                if len(ids) < _PAGE:
                    break
                after = ids[-1]
                between()
        return found

    def _enrol(
        self, batch_id: int, target_id: int, document_ids: Sequence[int], now: datetime
    ) -> int:
        def add(session: Session) -> int:
            missing = _without_push(session, target_id, document_ids)
            rows: list[dict[str, Any]] = [
                {
                    "target_id": target_id,
                    "document_id": document_id,
                    "batch_id": batch_id,
                    "status": PushStatus.WAITING,
                    "next_try_at": now,
                    "fence": 0,
                    "attempts": 0,
                    "created_at": now,
                }
                for document_id in missing
            ]
            if rows:
                session.connection().execute(insert(table_of(Push)), rows)
            return len(rows)

        try:
            return self._ledger.transact(add)
        except IntegrityError:
            # Another host's pusher was first with some of them.
            return self._ledger.transact(add)

    def _replaced(self, now: datetime) -> int:
        """Have documents pushed again of which another version is in force by now."""
        query = (
            select(Push.id, DocumentVersion.id.label("version_id"))
            .join(Document, Document.id == Push.document_id)
            .join(DocumentVersion, DocumentVersion.document_id == Push.document_id)
            .where(
                DocumentVersion.id > self._last_version - _MARGIN,
                Push.status != PushStatus.WAITING,
                Push.folder != Document.folder,
            )
            .order_by(Push.id)
            .limit(_PAGE)
        )
        newest = select(DocumentVersion.id).order_by(DocumentVersion.id.desc()).limit(1)
        with self._ledger.read() as session:
            last = session.scalar(newest) or 0
            outdated = sorted({row.id for row in session.execute(query)}) if last else []
        if not outdated:
            self._last_version = last
            return 0
        return self._ledger.transact(
            lambda session: pushes.push_again(
                session, outdated, by=self._owner, now=now, reason="new version"
            )
        )


def _page(session: Session, batch_id: int, status: ItemStatus, after: int) -> Sequence[int]:
    query = (
        select(BatchItem.document_id)
        .where(
            BatchItem.batch_id == batch_id,
            BatchItem.status == status,
            BatchItem.document_id > after,
        )
        .order_by(BatchItem.document_id)
        .limit(_PAGE)
    )
    return session.scalars(query).all()


def _without_push(session: Session, target_id: int, document_ids: Sequence[int]) -> Sequence[int]:
    """Those in the archive that have no push to the target yet."""
    if not document_ids:
        return []
    known = select(Push.document_id).where(
        Push.target_id == target_id, Push.document_id.in_(document_ids)
    )
    query = (
        select(Document.id)
        .where(
            Document.id.in_(document_ids),
            Document.archived_at.is_not(None),
            Document.id.not_in(known),
        )
        .order_by(Document.id)
    )
    return session.scalars(query).all()
