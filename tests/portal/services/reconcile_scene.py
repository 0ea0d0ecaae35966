"""A source that counts by organisation and type, and reconciliations of what came from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import select

from portal.models import (
    CheckedMonth,
    Part,
    Reconciliation,
    ReconciliationCell,
    ReconciliationFinding,
    ReconciliationMonth,
)
from portal.services import reconciliations
from portal.services.reconciling import Reconciler
from portal.sync.archive.local import LocalArchive
from portal.sync.sources.rows import Count, CountGroup, Scope, SourceDocument
from portal.sync.transfer.work import Result
from tests.portal.fake_source import FakeSource
from tests.portal.ledger_scene import BY, SHANGHAI, Scene
from tests.portal.publishing import published

ZONE = ZoneInfo("Asia/Shanghai")


class CountingSource(FakeSource):
    """Its count tells what the contract says; ``groups`` may be switched off."""

    groups = True
    amounts = True

    def count(self, scope: Scope) -> Count:
        self.before_count()
        within = self._within(scope)
        cells: dict[tuple[str, str, str], list[SourceDocument]] = {}
        for document in within:
            month = f"{(document.collected_at or scope.starts_at).astimezone(ZONE):%Y-%m}"
            key = (month, document.org_code, document.bill_type_code)
            cells.setdefault(key, []).append(document)
        groups = tuple(
            CountGroup(
                *key,
                len(documents),
                sum(len(document.files) for document in documents),
                _bytes(documents),
                sum((document.amount or Decimal(0) for document in documents), Decimal(0))
                if self.amounts
                else None,
            )
            for key, documents in cells.items()
        )
        return Count(
            len(within) if self.counted is None else self.counted,
            sum(len(document.files) for document in within),
            _bytes(within),
            groups if self.groups else (),
        )


def _bytes(documents: Iterable[SourceDocument]) -> int:
    return sum(file.size or 0 for document in documents for file in document.files)


class Proving:
    """A source, an archive, and reconciliations of the two."""

    def __init__(self, scene: Scene, archive: LocalArchive) -> None:
        self.scene = scene
        self.archive = archive
        self.source = CountingSource(page_size=50)

    def migrate(
        self,
        documents: Sequence[SourceDocument],
        first: str = "2024-01-01",
        last: str = "2024-01-31",
        leave: int = 0,
    ) -> int:
        """Bring documents, with what was stored as what the source declares; leave the last."""
        scene = self.scene
        batch_id = scene.add_batch(first, last)
        source = CountingSource(documents, page_size=50)
        for part in scene.slices(batch_id):
            scene.discovery(source, owner="lister").list_slice(part.id)
        claims = scene.claim(batch_id, limit=len(documents))
        moved = claims[: len(claims) - leave]
        results = [published(self.archive, claim) for claim in moved]
        scene.settle(batch_id, *results)
        scene.release(claims[len(moved) :])
        self.source.documents += declared(documents, results)
        return batch_id

    def reconcile(
        self,
        first: str = "2024-01",
        last: str | None = None,
        *,
        reread: bool = False,
        by: str = BY,
    ) -> Reconciliation:
        self.scene.advance(60)
        with self.scene.ledger.write() as session:
            run_id = reconciliations.ask(
                session,
                self.scene.source_id,
                first,
                last or first,
                reread=reread,
                by=by,
                now=self.scene.now,
            ).id
        return self.perform(run_id)

    def perform(self, run_id: int, runner: str = "r1") -> Reconciliation:
        self.scene.advance(1)
        return Reconciler(
            self.scene.ledger,
            self.archive,
            run_id,
            count=self.source.count,
            page=self.source.page,
            runner=runner,
            zone=SHANGHAI,
            clock=self.scene.clock,
            wait=lambda _: None,
        ).run()

    def months(self, run: Reconciliation) -> dict[str, ReconciliationMonth]:
        with self.scene.ledger.read() as session:
            return {row.month: row for row in reconciliations.months(session, run.id)}

    def month(self, run: Reconciliation) -> ReconciliationMonth:
        (row,) = self.months(run).values()
        return row

    def cells(self, run: Reconciliation) -> dict[tuple[str, str, str], ReconciliationCell]:
        query = select(ReconciliationCell).where(ReconciliationCell.reconciliation_id == run.id)
        with self.scene.ledger.read() as session:
            rows = session.scalars(query).all()
        return {(row.month, row.org_code, row.bill_type_code): row for row in rows}

    def found(self, run: Reconciliation) -> list[ReconciliationFinding]:
        query = select(ReconciliationFinding).where(
            ReconciliationFinding.reconciliation_id == run.id
        )
        return list(reconciliations.every(self.scene.ledger, query, ReconciliationFinding.id))

    def parts(self, run: Reconciliation) -> list[tuple[Part, str]]:
        return sorted((each.part, each.image_no) for each in self.found(run))

    def ticks(self) -> list[CheckedMonth]:
        with self.scene.ledger.read() as session:
            return list(session.scalars(select(CheckedMonth).order_by(CheckedMonth.id)))


def declared(
    documents: Sequence[SourceDocument], results: Sequence[Result]
) -> list[SourceDocument]:
    """The documents with the sizes and digests of what was stored of them."""
    stored = {file.file_id: file for result in results for file in result.files}
    return [
        replace(
            document,
            files=tuple(
                replace(file, size=kept.size, sha256=kept.sha256)
                if (kept := stored.get(file.file_id))
                else replace(file, size=100)
                for file in document.files
            ),
        )
        for document in documents
    ]
