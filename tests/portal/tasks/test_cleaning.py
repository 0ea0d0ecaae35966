from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.models import Worker
from portal.processes import WorkerSlot
from portal.services import leases
from portal.sync.archive.local import LocalArchive
from portal.tasks.cleaning import Cleaner
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene
from tests.portal.publishing import published


class Place:
    """A home with the agent's cleaner, and workers that come and go."""

    def __init__(self, scene: Scene, home: Path) -> None:
        self.scene = scene
        self.home = home
        self.archive = LocalArchive(home / "archive")
        self._cleaner = Cleaner(scene.ledger, self.archive, home)
        self._slots: dict[str, WorkerSlot] = {}

    def start_worker(self) -> str:
        slot = WorkerSlot(self.home)
        self._slots[slot.name] = slot
        self.beat(slot.name)
        return slot.name

    def kill(self, name: str) -> None:
        """A dead process has its files closed by the kernel."""
        self._slots.pop(name).close()

    def close(self) -> None:
        for name in list(self._slots):
            self.kill(name)

    def beat(self, name: str) -> None:
        with self.scene.ledger.write() as session:
            leases.beat(session, name, pid=1, batch_id=None, now=self.scene.now)

    def begin_document(self, owner: str) -> Path:
        stage = self.archive.stage("s/2024-01/A", owner=owner)
        stage.path("01.txt").write_bytes(b"half of it")
        return stage.path("01.txt")

    def clean(self) -> None:
        self._cleaner.step(self.scene.now)

    def workers(self) -> list[str]:
        with self.scene.ledger.read() as session:
            return sorted(worker.name for worker in session.query(Worker))


@pytest.fixture
def place(scene: Scene, tmp_path: Path) -> Iterator[Place]:
    place = Place(scene, tmp_path / "home")
    yield place
    place.close()


def test_what_a_dead_worker_held_is_free_at_once_and_nothing_of_it_is_left(
    scene: Scene, place: Place
) -> None:
    batch_id = scene.listed_batch([make_document(number) for number in range(4)])
    dead, alive = place.start_worker(), place.start_worker()
    (unrecorded, untouched) = scene.claim(batch_id, owner=dead, limit=2)
    (held,) = scene.claim(batch_id, owner=alive, limit=1)
    published(place.archive, unrecorded, owner=dead)
    published(place.archive, held, owner=alive)
    left, kept = place.begin_document(dead), place.begin_document(alive)
    place.kill(dead)
    place.clean()
    assert (left.exists(), kept.exists()) == (False, True)
    assert place.archive.present([unrecorded.folder, held.folder]) == {held.folder}
    assert place.workers() == [alive]
    again = scene.claim(batch_id, owner=alive)
    assert {unrecorded.item_id, untouched.item_id} < {claim.item_id for claim in again}


def test_a_worker_that_is_frozen_keeps_its_slot_and_its_stages(scene: Scene, place: Place) -> None:
    frozen = place.start_worker()
    kept = place.begin_document(frozen)
    scene.advance(24 * 3600)
    place.clean()
    assert kept.exists()
    assert place.workers() == [frozen]


def test_a_slot_is_taken_again_after_its_cleaning(scene: Scene, place: Place) -> None:
    name = place.start_worker()
    place.kill(name)
    place.clean()
    assert place.start_worker() == name


def test_stages_of_another_host_go_when_it_was_not_seen_for_long(
    scene: Scene, place: Place
) -> None:
    place.beat("elsewhere.abcdef.0")
    left = place.begin_document("elsewhere.abcdef.0")
    strange = place.begin_document("nobody-knows")
    scene.advance(300)
    place.clean()
    assert left.exists()
    scene.advance(301)
    place.clean()
    assert not left.exists()
    assert strange.exists()
