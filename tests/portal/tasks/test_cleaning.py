from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.models import Worker
from portal.processes import WorkerSlot
from portal.services import leases
from portal.sync.archive.local import LocalArchive
from portal.tasks.cleaning import SILENT_LOOKS, Cleaner
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


FAR = "elsewhere.abcdef.0"


def test_a_host_that_says_nothing_more_is_cleaned_up_behind_by_another(
    scene: Scene, place: Place
) -> None:
    batch_id = scene.listed_batch([make_document(number) for number in range(2)])
    place.beat(FAR)
    (held, _) = scene.claim(batch_id, owner=FAR)
    published(place.archive, held, owner=FAR)
    left, strange = place.begin_document(FAR), place.begin_document("nobody-knows")
    for _ in range(SILENT_LOOKS):
        place.clean()
    assert (left.exists(), strange.exists(), place.workers()) == (True, True, [FAR])
    place.clean()
    assert (left.exists(), strange.exists(), place.workers()) == (False, False, [])
    assert not place.archive.present([held.folder])
    assert len(scene.claim(batch_id, owner="another")) == 2


def test_a_host_that_beats_is_alive_whatever_its_clock_says(scene: Scene, place: Place) -> None:
    kept = place.begin_document(FAR)
    scene.advance(-3600)
    for _ in range(3 * SILENT_LOOKS):
        scene.advance(2)
        place.beat(FAR)
        scene.advance(3600)
        place.clean()
        scene.advance(-3600)
    assert kept.exists()
    assert place.workers() == [FAR]


def test_a_pause_of_the_agent_makes_nobody_dead(scene: Scene, place: Place) -> None:
    place.beat(FAR)
    kept = place.begin_document(FAR)
    for _ in range(3):
        place.clean()
        scene.advance(24 * 3600)
    assert kept.exists()


def test_two_homes_never_name_a_slot_alike(tmp_path: Path) -> None:
    """Not even when one is a copy of the other in the same place."""
    names = set()
    for _ in range(2):
        slot = WorkerSlot(tmp_path / "home")
        names.add(slot.name)
        slot.close()
        shutil.rmtree(tmp_path / "home")
    assert len(names) == 2
