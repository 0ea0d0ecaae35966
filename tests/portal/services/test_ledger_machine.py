"""Whatever people and workers do in whatever order, the books balance."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from portal.errors import NotAllowed, SyncError
from portal.models import AuditEvent, Batch, BatchItem, Document
from portal.services import batches, leases, retrying
from portal.services.leases import LEASE_SECONDS
from portal.statuses import ItemStatus, RunStatus
from portal.sync.transfer.work import Claim
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.ledger_scene import Scene, failed, opened_ledger, stored

DOCUMENTS = 5
WORKERS = st.sampled_from(["w1", "w2"])
PROBLEM = SyncError("META_MISSING_FIELD", field="fileName")


class LedgerMachine(RuleBasedStateMachine):
    """Up to three batches of the same two months, two workers, and people."""

    empty: ClassVar[Path]
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        folder = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(self.empty, folder / "ledger.db")
        ledger = self.cleanup.enter_context(opened_ledger(f"sqlite:///{folder / 'ledger.db'}"))
        self.scene = Scene(ledger)
        self.source = FakeSource()
        self.batches: list[int] = []
        self.finals: dict[int, ItemStatus] = {}

    def teardown(self) -> None:
        self.cleanup.close()

    @initialize()
    def begin(self) -> None:
        self.source.documents = [make_document(number) for number in range(DOCUMENTS - 1)]
        self.source.documents.append(make_document(DOCUMENTS - 1, problem=PROBLEM))
        self.batches.append(self.scene.add_batch(last="2024-02-29"))
        self.scene.discovery(self.source).list_slice(self.scene.slices(self.batches[0])[0].id)

    # People.

    @rule(start=st.booleans())
    def create(self, start: bool) -> None:
        if len(self.batches) < 3:
            self.batches.append(self.scene.add_batch(last="2024-02-29", start=start))

    @rule(
        which=st.integers(0, 2),
        verb=st.sampled_from(
            [batches.start, batches.pause, batches.resume, batches.resume, batches.give_back,
             retrying.retry, retrying.retry]
        ),
    )  # fmt: skip
    def ask(self, which: int, verb: Any) -> None:
        self._try(which, verb)

    @rule(which=st.integers(1, 2))
    def cancel(self, which: int) -> None:
        self._try(which, batches.cancel)

    def _try(self, which: int, verb: Any) -> None:
        batch_id = self.batches[which % len(self.batches)]
        before = self.scene.batch(batch_id).run_status
        try:
            self.scene.do(verb, batch_id)
        except NotAllowed:
            assert self.scene.batch(batch_id).run_status is before

    # The source.

    @rule(number=st.integers(0, DOCUMENTS - 1))
    def change(self, number: int) -> None:
        changed = make_document(number, bill_no=f"changed at {self.scene.now}")
        self.source.documents[number] = changed

    # Workers.

    @rule(which=st.integers(0, 2), month=st.integers(0, 1), worker=WORKERS)
    def list_month(self, which: int, month: int, worker: str) -> None:
        batch_id = self.batches[which % len(self.batches)]
        part = self.scene.slices(batch_id)[month]
        self.scene.discovery(self.source, owner=worker).list_slice(part.id)

    @rule(which=st.integers(0, 2), worker=WORKERS, limit=st.integers(1, 3), target=claims)
    def claim(self, which: int, worker: str, limit: int) -> Any:
        batch_id = self.batches[which % len(self.batches)]
        taken = self.scene.claim(batch_id, owner=worker, limit=limit)
        return multiple(*((batch_id, worker, one) for one in taken))

    @rule(held=claims, outcome=st.sampled_from(["ok", "ok", "SRC_TIMEOUT", "FILE_CORRUPT"]))
    def settle(self, held: tuple[int, str, Claim], outcome: str) -> None:
        """Any claim, also one that was settled, given back or overtaken long ago."""
        batch_id, worker, claim = held
        words: dict[str, dict[str, Any]] = {
            "SRC_TIMEOUT": {"seconds": 60},
            "FILE_CORRUPT": {"detail": "-"},
        }
        result = stored(claim) if outcome == "ok" else failed(claim, outcome, **words[outcome])
        self.scene.settle(batch_id, result, owner=worker)

    @rule(held=consumes(claims))
    def release(self, held: tuple[int, str, Claim]) -> None:
        _, worker, claim = held
        self.scene.release([claim], owner=worker)

    @rule(held=claims)
    def renew(self, held: tuple[int, str, Claim]) -> None:
        _, worker, claim = held
        self.scene.renew([claim], owner=worker)

    @rule(worker=WORKERS)
    def die(self, worker: str) -> None:
        leases.free_slot(self.scene.ledger, worker, now=self.scene.now)

    @rule(seconds=st.sampled_from([3, LEASE_SECONDS, 600]))
    def wait(self, seconds: int) -> None:
        self.scene.advance(seconds)

    # What is always so.

    @invariant()
    def the_counts_are_those_of_the_items(self) -> None:
        for batch_id in self.batches:
            total, synced, skipped, failures = self.scene.counts(batch_id)
            items = self.scene.items(batch_id).values()
            found = Counter(item.status for item in items)
            assert (total, synced, skipped, failures) == (
                len(items), found["synced"], found["skipped"], found["failed"],  # type: ignore[index]
            )  # fmt: skip
            for part in self.scene.slices(batch_id):
                mine = Counter(item.status for item in items if item.slice_id == part.id)
                assert (part.synced, part.skipped, part.failed, part.total) == (
                    mine["synced"], mine["skipped"], mine["failed"], sum(mine.values()),  # type: ignore[index]
                )  # fmt: skip

    @invariant()
    def done_failed_and_pending_are_all(self) -> None:
        for batch_id in self.batches:
            batch = self.scene.batch(batch_id)
            assert batch.done + batch.failed + batch.pending == batch.total
            assert min(batch.done, batch.failed, batch.pending) >= 0
            assert not batch.total or batch.done * 100 // batch.total <= 100

    @invariant()
    def what_is_synced_or_skipped_stays_so(self) -> None:
        with self.scene.ledger.read() as session:
            items = session.execute(select(BatchItem.id, BatchItem.status))
            now = {row.id: row.status for row in items}
        for item_id, status in self.finals.items():
            assert now[item_id] is status
        self.finals = {
            item_id: status
            for item_id, status in now.items()
            if status in (ItemStatus.SYNCED, ItemStatus.SKIPPED)
        }

    @invariant()
    def a_document_is_synced_once_and_by_whom_the_archive_says(self) -> None:
        with self.scene.ledger.read() as session:
            synced = select(BatchItem.document_id, BatchItem.id).where(
                BatchItem.status == ItemStatus.SYNCED
            )
            archived = select(Document.id, Document.archived_by_item_id).where(
                Document.archived_at.is_not(None)
            )
            rows = [tuple(row) for row in session.execute(synced)]
            assert sorted(rows) == sorted(tuple(row) for row in session.execute(archived))

    @invariant()
    def every_change_of_an_item_has_its_event(self) -> None:
        """The events of each item are one chain from pending to what it is now."""
        with self.scene.ledger.read() as session:
            items = session.scalars(select(BatchItem)).all()
            events = session.scalars(
                select(AuditEvent).where(AuditEvent.action == "item.status").order_by(AuditEvent.id)
            ).all()
        for item in items:
            status = "pending"
            for event in events:
                if (event.batch_id, event.document_id) == (item.batch_id, item.document_id):
                    assert event.old == status
                    status = str(event.new)
            assert status == item.status

    @invariant()
    def every_change_of_a_batch_has_its_event(self) -> None:
        for batch_id in self.batches:
            status = "waiting"
            for event in self.scene.events(batch_id):
                if event.action.startswith("batch.") and event.old is not None:
                    assert event.old == status
                    status = str(event.new)
            assert status == self.scene.batch(batch_id).run_status

    @invariant()
    def a_batch_runs_as_long_as_something_is_to_do_and_no_longer(self) -> None:
        with self.scene.ledger.read() as session:
            for batch in session.scalars(select(Batch)):
                settled = all(part.is_settled for part in batch.slices)
                if batch.run_status is RunStatus.RUNNING:
                    assert not settled
                if batch.run_status is RunStatus.ENDED and not batch.cancelled_by:
                    assert settled


def test_the_books_always_balance(empty_sqlite: Path) -> None:
    LedgerMachine.empty = empty_sqlite
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
