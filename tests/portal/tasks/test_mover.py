"""One worker's engine against a source that fails, with a clock that only moves when told to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import Hold, Slice, utc_now
from portal.secret_box import SecretBox
from portal.services import batches, fetches, sources
from portal.services.clock_steps import draw_back
from portal.services.offers import batches_with_due_work
from portal.services.selection import Selection
from portal.services.streaks import MOST_FAILURES
from portal.statuses import ListingStatus, RunStatus
from portal.sync.archive.local import LocalArchive
from portal.tasks.mover import Mover
from portal.tasks.queue import WorkQueue
from tests.faults.behaviours import status
from tests.faults.fault_server import CLIENT_ID, CLIENT_SECRET, Exchange, FaultServer, well
from tests.faults.tenant import Tenant
from tests.portal.ledger_scene import SHANGHAI, Scene

GONE = status("404 Not Found")
DOWN = status("503 Service Unavailable")
_MOST_LOOKS = 200


class FlightyLedger(Ledger):
    """Cannot be written ``misses`` times."""

    misses = 0

    @contextmanager
    def write(self, *, patience: float = 30.0) -> Iterator[Session]:
        if self.misses:
            self.misses -= 1
            raise OperationalError("BEGIN IMMEDIATE", {}, sqlite3.OperationalError("locked"))
        with super().write(patience=patience) as session:
            yield session


class Bench:
    """A mover with a source and an archive of its own."""

    def __init__(self, scene: Scene, home: Path) -> None:
        self.scene = scene
        self.tenant = Tenant()
        self.server = FaultServer(self.tenant)
        self.archive = home / "archive"
        box = SecretBox("k")
        form = sources.SourceForm("源", self.server.url, CLIENT_ID, CLIENT_SECRET)
        with scene.ledger.write() as session:
            scene.source_id = sources.save(session, form, box=box, by="周敏", now=scene.now).id
        self.ledger = FlightyLedger(scene.ledger._reading)
        self._queue = WorkQueue(f"sqlite:///{home / 'queue.db'}")
        self.mover = Mover(
            ledger=self.ledger,
            archive=LocalArchive(self.archive),
            queue=self._queue,
            box=box,
            home=home,
            owner="w1",
            zone=SHANGHAI,
            stopping=lambda: False,
            on_busy=lambda _: None,
            clock=scene.clock,
        )

    def add(self, month: str, count: int) -> list[str]:
        """Documents of one file each; their files."""
        names = [f"{month}-{number:03d}" for number in range(count)]
        for name in names:
            self.tenant.add(month, name, f"{name}-1")
        return [f"{name}-1" for name in names]

    def work(self, batch_id: int) -> None:
        """Look at the batch as long as it is due."""
        for _ in range(_MOST_LOOKS):
            if not self.is_due(batch_id):
                return
            self.mover.look(batch_id)
        raise AssertionError("it is due for ever")

    def is_due(self, batch_id: int) -> bool:
        with self.scene.ledger.read() as session:
            return batch_id in batches_with_due_work(session, self.scene.now, SHANGHAI)

    def held(self, batch_id: int) -> list[str]:
        with self.scene.ledger.read() as session:
            holds = session.query(Hold).where(Hold.key.is_not(None)).all()
            return [hold.code for hold in holds]

    def close(self) -> None:
        self.mover.close()
        self._queue.close()
        self.server.close()


@pytest.fixture
def bench(scene: Scene, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(scene, tmp_path / "home")
    yield bench
    bench.close()


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_is_moved_while_a_source_is_held_costs_nothing(
    bench: Bench, hours: int
) -> None:
    bench.add("2024-01", 12)
    batch_id = bench.scene.add_batch()
    bench.mover.look(batch_id)  # lists
    bench.server.refuse()
    bench.work(batch_id)
    assert bench.held(batch_id) == ["SRC_CONNECTION"]
    bench.scene.advance(3600 * hours)
    draw_back(bench.ledger, now=bench.scene.now)
    assert bench.is_due(batch_id)
    bench.work(batch_id)  # in vain
    bench.server.listen()
    bench.scene.advance(30)
    bench.work(batch_id)
    assert bench.scene.batch(batch_id).run_status is RunStatus.ENDED
    assert bench.scene.counts(batch_id) == (12, 12, 0, 0)
    assert bench.held(batch_id) == []


def test_while_one_lists_the_others_move_what_is_listed(bench: Bench) -> None:
    bench.add("2024-01", 60)
    for month in ("2024-02", "2024-03"):
        bench.add(month, 5)
    batch_id = bench.scene.add_batch("2024-01-01", "2024-03-31")
    bench.mover.look(batch_id)
    assert bench.scene.counts(batch_id)[:2] == (60, 0)
    with bench.ledger.write() as session:
        other = session.get_one(Slice, bench.scene.slices(batch_id)[1].id)
        other.lease_owner, other.next_try_at = "w2", bench.scene.now + timedelta(minutes=1)
    bench.mover.look(batch_id)
    assert bench.scene.counts(batch_id)[:2] == (60, 60)
    bench.mover.look(batch_id)  # nothing is left to move: the third month is listed
    assert bench.scene.counts(batch_id)[:2] == (65, 60)


def test_a_held_batch_is_listed_on_when_nothing_is_left_to_probe_with(bench: Bench) -> None:
    """The files of all that is listed are gone, and the other month is not listed yet."""
    for file_id in bench.add("2024-01", MOST_FAILURES):
        bench.server.script(file_id, ever=GONE)
    bench.add("2024-02", 5)
    bench.server.script("documents 2024-02 1", DOWN)
    batch_id = bench.scene.add_batch("2024-01-01", "2024-02-29")
    bench.work(batch_id)
    assert bench.held(batch_id) == ["SRC_NOT_FOUND"]
    assert bench.scene.counts(batch_id)[::3] == (MOST_FAILURES, MOST_FAILURES)
    for _ in range(4):
        bench.scene.advance(30)
        bench.work(batch_id)
    assert bench.scene.batch(batch_id).run_status is RunStatus.ENDED
    assert bench.scene.counts(batch_id) == (MOST_FAILURES + 5, 5, 0, MOST_FAILURES)


def test_a_month_does_not_wait_for_a_lease_that_a_lost_ledger_left(bench: Bench) -> None:
    bench.add("2024-01", 5)
    batch_id = bench.scene.add_batch()

    def lose_the_ledger(exchange: Exchange) -> bool:
        bench.ledger.misses = 3
        return well(exchange)

    bench.server.script("documents 2024-01 1", lose_the_ledger)
    bench.mover.look(batch_id)
    bench.ledger.misses = 0
    assert bench.scene.slice(batch_id).listing_status is ListingStatus.OPEN
    assert bench.scene.slice(batch_id).lease_owner is None
    bench.scene.now = max(bench.scene.now, utc_now())
    bench.work(batch_id)
    assert bench.scene.counts(batch_id) == (5, 5, 0, 0)


def test_what_a_fetch_wants_of_a_waiting_batch_is_moved_and_nothing_besides(bench: Bench) -> None:
    bench.add("2024-01", 6)
    batch_id = bench.scene.add_batch()
    bench.mover.look(batch_id)  # lists
    bench.scene.do(batches.pause, batch_id)
    assert not bench.is_due(batch_id)
    wish = Selection(document_ids=(bench.scene.document("2024-01-002").id,))
    with bench.scene.ledger.write() as session:
        now = bench.scene.now
        chore = fetches.ask(session, wish, permanent_too=False, by="周敏", now=now).id
        fetches.want(
            session,
            batch_id,
            wish,
            chore_id=chore,
            permanent_too=False,
            zone=SHANGHAI,
            by="周敏",
            now=now,
        )
    bench.work(batch_id)
    assert bench.scene.counts(batch_id) == (6, 1, 0, 0)
    assert bench.scene.batch(batch_id).run_status is RunStatus.WAITING
    assert bench.scene.document("2024-01-002").archived_at is not None
    with bench.scene.ledger.read() as session:
        assert fetches.counts(session, chore) == fetches.Counts(whole=1)
