"""Whatever people and workers do in whatever order, the books balance."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
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
from portal.formatting import percent
from portal.models import (
    AuditEvent,
    Batch,
    BatchItem,
    Document,
    DocumentVersion,
    File,
    Overlap,
    VersionFile,
)
from portal.services import batches, leases, retrying
from portal.services.counters import differences
from portal.services.leases import LEASE_SECONDS
from portal.statuses import ItemStatus, RunStatus
from portal.sync.sources.rows import SourceDocument
from portal.sync.transfer.work import Claim, Result
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
        self.counted: dict[int, tuple[int, int, int]] = {}

    def teardown(self) -> None:
        self.cleanup.close()

    @initialize()
    def begin(self) -> None:
        self.source.documents = [self._document(number) for number in range(DOCUMENTS - 1)]
        self.source.documents.append(make_document(DOCUMENTS - 1, problem=PROBLEM))
        self.batches.append(self.scene.add_batch(last="2024-02-29"))
        self.scene.discovery(self.source).list_slice(self.scene.slices(self.batches[0])[0].id)

    # People.

    @rule(start=st.booleans(), overlap=st.sampled_from(Overlap))
    def create(self, start: bool, overlap: Overlap) -> None:
        if len(self.batches) < 3:
            batch_id = self.scene.add_batch(last="2024-02-29", start=start, overlap=overlap)
            self.batches.append(batch_id)

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
        changed = self._document(number, bill_no=f"changed at {self.scene.now}")
        self.source.documents[number] = changed

    @rule(number=st.integers(0, DOCUMENTS - 1))
    def spoil(self, number: int) -> None:
        self.source.documents[number] = make_document(number, problem=PROBLEM)

    def _document(self, number: int, **changes: Any) -> SourceDocument:
        """Every other one is declared with digests."""
        document = make_document(number, **changes)
        if number % 2:
            return document
        files = tuple(replace(file, sha256="0" * 64) for file in document.files)
        return replace(document, files=files)

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

    @rule(
        held=claims,
        outcome=st.sampled_from(
            ["ok", "ok", "other", "sound", "damaged", "SRC_TIMEOUT", "FILE_CORRUPT"]
        ),
    )
    def settle(self, held: tuple[int, str, Claim], outcome: str) -> None:
        """Any claim, also one that was settled, given back or overtaken long ago."""
        batch_id, worker, claim = held
        self.scene.settle(batch_id, _result(claim, outcome), owner=worker)

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
    def counting_again_finds_no_difference(self) -> None:
        for batch_id in self.batches:
            assert differences(self.scene.ledger, batch_id) == []

    @invariant()
    def the_percentage_never_falls_while_it_is_shown(self) -> None:
        """What was done stays done; what had failed is open again only after a retry."""
        now: dict[int, tuple[int, int, int]] = {}
        for batch_id in self.batches:
            batch = self.scene.batch(batch_id)
            if not all(part.is_counted for part in self.scene.slices(batch_id)):
                continue
            done = percent(batch.done, batch.total)
            decided = percent(batch.done + batch.failed, batch.total)
            assert 0 <= done <= decided <= 100
            run_no, done_before, decided_before = self.counted.get(batch_id, (0, 0, 0))
            assert done >= done_before
            if batch.run_no == run_no:
                assert decided >= decided_before
            now[batch_id] = batch.run_no, done, decided
        self.counted = now

    @invariant()
    def what_is_in_force_has_its_files_and_what_was_replaced_is_kept(self) -> None:
        with self.scene.ledger.read() as session:
            in_force = session.execute(
                select(Document.folder, File.storage_key)
                .outerjoin(File, File.document_id == Document.id)
                .where(Document.archived_at.is_not(None))
            ).all()
            kept = session.execute(
                select(DocumentVersion.folder, VersionFile.storage_key).outerjoin(
                    VersionFile, VersionFile.version_id == DocumentVersion.id
                )
            ).all()
            replaced = select(AuditEvent).where(AuditEvent.action == "document.replace")
            told = [event.detail["old_folder"] for event in session.scalars(replaced)]  # type: ignore[index]
        for folder, key in [*in_force, *kept]:
            assert str(key).startswith(f"{folder}/")
        folders = [folder for folder, _ in in_force] + [folder for folder, _ in kept]
        assert len(folders) == len(set(folders))  # each document has one file
        assert sorted(told) == sorted(folder for folder, _ in kept)

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
            before = select(DocumentVersion.document_id, DocumentVersion.archived_by_item_id)
            rows = [tuple(row) for row in session.execute(synced)]
            versions = [*session.execute(archived), *session.execute(before)]
            assert sorted(rows) == sorted(tuple(row) for row in versions)

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


def _result(claim: Claim, outcome: str) -> Result:
    """How a worker may find that a claim came out; only archived files can be sound or not."""
    reads = claim.recheck is not None and not claim.recheck.redescribed
    match outcome:
        case "SRC_TIMEOUT":
            return failed(claim, outcome, seconds=60)
        case "FILE_CORRUPT":
            return failed(claim, outcome, detail="-")
        case "sound" if reads:
            return Result(claim)
        case "damaged" if reads:
            return stored(claim, damage="ARCHIVE_DAMAGED")
        case "other" if not any(file.sha256 for file in claim.files):
            return stored(claim, sha256="1" * 64)
    return stored(claim)


# `HYPOTHESIS_PROFILE=long` takes ten thousand steps.
settings.register_profile("ledger-short", max_examples=8, stateful_step_count=25)
settings.register_profile("ledger-patient", max_examples=60, stateful_step_count=25)
settings.register_profile("ledger-long", max_examples=240, stateful_step_count=50)
LENGTH = "ledger-long" if os.environ.get("HYPOTHESIS_PROFILE") == "long" else "ledger-short"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "length", [LENGTH, pytest.param("ledger-patient", marks=pytest.mark.faults)]
)
def test_the_books_always_balance(empty_sqlite: Path, length: str) -> None:
    LedgerMachine.empty = empty_sqlite
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            settings.get_profile(length),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
