"""Whatever pushers, people and deaths do in whatever order, the books of pushing hold.

The target is a model here: what was submitted last under a number. The ledger may say less than the
target has, never more.
"""

from __future__ import annotations

import os
import shutil
import tempfile
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
from sqlalchemy import select, update

from portal.errors import SyncError
from portal.models import AuditEvent, Batch, Document, Push, PushTarget
from portal.services import push_claims, pushes
from portal.services.push_claims import LEASE_SECONDS, PushClaim, PushLost
from portal.services.push_enrolment import Enrolment
from portal.statuses import TRANSITIONS, PushStatus
from portal.sync.targets.base import Collected
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY, Scene, opened_ledger, stored

DOCUMENTS = 4
OWNERS = st.sampled_from(["a.pusher0", "b.pusher0"])


class PushMachine(RuleBasedStateMachine):
    """Four archived documents, two pushers, and people."""

    empty: ClassVar[Path]
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        folder = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(self.empty, folder / "ledger.db")
        self.ledger = self.cleanup.enter_context(opened_ledger(f"sqlite:///{folder}/ledger.db"))
        self.scene = Scene(self.ledger)
        self.at_target: dict[int, str] = {}
        self.versions = 0

    def teardown(self) -> None:
        self.cleanup.close()

    @initialize()
    def begin(self) -> None:
        batch_id = self.scene.listed_batch([make_document(one) for one in range(DOCUMENTS)])
        self.scene.settle(batch_id, *(stored(claim) for claim in self.scene.claim(batch_id)))
        with self.ledger.write() as session:
            target = PushTarget(
                name="t", base_url="http://127.0.0.1:9", app_id="a", app_secret_box="",
                account_id="1", user="u", user_type="UserName", max_file_bytes=1,
                created_at=self.scene.now, enabled=True,
            )  # fmt: skip
            session.add(target)
            session.flush()
            self.target_id = target.id
            session.get_one(Batch, batch_id).push_target_id = target.id
        self.enrolment = Enrolment(self.ledger, BY)
        self.enrolment.step(self.scene.now)

    # Pushers.

    @rule(target=claims, owner=OWNERS, limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int) -> Any:
        now = self.scene.now
        with self.ledger.write() as session:
            return multiple(
                *push_claims.claim(session, self.target_id, owner=owner, limit=limit, now=now)
            )

    @rule(held=claims)
    def hand_over(self, held: PushClaim) -> None:
        for file in held.files:
            self._try(pushes.note_file, held, file, Collected("n", "p"), now=None)

    @rule(held=claims)
    def submit(self, held: PushClaim) -> None:
        """As a pusher does: it looks whether the claim is in force, then submits, then writes."""
        with self.ledger.read() as session:
            try:
                push_claims.require_ours(session, held)
            except PushLost:
                return
            row = session.get_one(Push, held.push_id)
            if row.status is not PushStatus.WAITING:
                return
            self.at_target[held.document_id] = str(row.folder)
        self._try(pushes.mark_pushed, held)

    @rule(held=claims)
    def submit_and_die(self, held: PushClaim) -> None:
        with self.ledger.read() as session:
            row = session.get_one(Push, held.push_id)
            if row.status is PushStatus.WAITING and row.fence == held.fence:
                self.at_target[held.document_id] = str(row.folder)

    @rule(held=consumes(claims), is_confirmed=st.booleans())
    def look(self, held: PushClaim, is_confirmed: bool) -> None:
        if self._status(held) is PushStatus.PUSHED:
            end = pushes.mark_confirmed if is_confirmed else pushes.look_later
            self._try(end, held, "2")

    @rule(held=consumes(claims), code=st.sampled_from(["TGT_REFUSED", "TGT_SERVER_ERROR"]))
    def fail(self, held: PushClaim, code: str) -> None:
        self._try(pushes.fail, held, SyncError(code, call="x"))

    @rule(held=consumes(claims))
    def give_back(self, held: PushClaim) -> None:
        self._try(pushes.give_back, held)

    @rule(held=claims)
    def renew(self, held: PushClaim) -> None:
        with self.ledger.write() as session:
            push_claims.renew(session, [held], now=self.scene.now)

    @rule(owner=OWNERS)
    def restart(self, owner: str) -> None:
        with self.ledger.write() as session:
            push_claims.free_owner(session, owner, now=self.scene.now)

    # People, other documents, time.

    @rule()
    def retry(self) -> None:
        with self.ledger.write() as session:
            query = select(Push.id).where(Push.status == PushStatus.FAILED)
            ids = session.scalars(query).all()
            pushes.push_again(session, ids, by=BY, now=self.scene.now, reason="retry")

    @rule(number=st.integers(0, DOCUMENTS - 1))
    def miss(self, number: int) -> None:
        push_id = sorted(self._pushes())[number]
        with self.ledger.write() as session:
            pushes.miss(session, push_id, by=BY, now=self.scene.now)

    @rule(number=st.integers(0, DOCUMENTS - 1))
    def replace(self, number: int) -> None:
        """A newer version is in force, as the enrolment finds it."""
        self.versions += 1
        with self.ledger.write() as session:
            push = session.get_one(Push, sorted(self._pushes())[number])
            folder = f"version {self.versions}"
            session.execute(
                update(Document).where(Document.id == push.document_id).values(folder=folder)
            )
            pushes.push_again(session, [push.id], by=BY, now=self.scene.now, reason="new version")

    @rule(seconds=st.sampled_from([1, 30, LEASE_SECONDS + 1, 4000]))
    def wait(self, seconds: int) -> None:
        self.scene.advance(seconds)

    # What always holds.

    @invariant()
    def the_ledger_says_no_more_than_the_target_has(self) -> None:
        for push in self._pushes().values():
            if push.status in (PushStatus.PUSHED, PushStatus.CONFIRMED):
                assert self.at_target[push.document_id] == push.folder

    @invariant()
    def every_document_has_one_push_and_a_reason_if_it_failed(self) -> None:
        found = self._pushes().values()
        assert len({push.document_id for push in found}) == len(found) == DOCUMENTS
        for push in found:
            assert (push.status is PushStatus.FAILED) <= (push.error_code is not None)
            assert (push.status is PushStatus.CONFIRMED) == (push.confirmed_at is not None) or (
                push.status in (PushStatus.WAITING, PushStatus.FAILED)
            )
            if push.status in (PushStatus.CONFIRMED, PushStatus.FAILED):
                assert push.lease_owner is None

    @invariant()
    def the_trail_tells_every_change_and_only_legal_ones(self) -> None:
        query = select(AuditEvent).where(AuditEvent.action == "push.status")
        told: dict[int | None, str] = {}
        with self.ledger.read() as session:
            for event in session.scalars(query.order_by(AuditEvent.id)):
                assert told.get(event.document_id, "waiting") == event.old
                assert event.new in TRANSITIONS[PushStatus][str(event.old)]
                told[event.document_id] = str(event.new)
        for push in self._pushes().values():
            assert told.get(push.document_id, "waiting") == push.status

    def _try(self, work: Any, held: PushClaim, *words: Any, **more: Any) -> None:
        if "now" not in more:
            more["now"] = self.scene.now
        elif more["now"] is None:
            del more["now"]
        with self.ledger.write() as session:
            try:
                work(session, held, *words, **more)
            except PushLost:
                row = session.get_one(Push, held.push_id)
                assert (row.fence, row.lease_owner) != (held.fence, held.owner)

    def _status(self, held: PushClaim) -> PushStatus:
        with self.ledger.read() as session:
            return session.get_one(Push, held.push_id).status

    def _pushes(self) -> dict[int, Push]:
        with self.ledger.read() as session:
            return {push.id: push for push in session.scalars(select(Push))}


def test_the_books_of_pushing_hold(empty_sqlite: Path) -> None:
    PushMachine.empty = empty_sqlite
    run_state_machine_as_test(
        PushMachine,
        settings=settings(
            max_examples=int(os.environ.get("IMGMIG_TEST_EXAMPLES", "30")),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
