from __future__ import annotations

from collections import Counter
from pathlib import Path

from portal.services import leases
from portal.tasks.offering import offer
from portal.tasks.queue import WorkQueue
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene


class Told(WorkQueue):
    """A queue that remembers what it was told, and of which a worker takes everything at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.batches: list[int] = []

    def look_at_batch(self, batch_id: int) -> None:
        self.batches.append(batch_id)


def busy(scene: Scene, worker: str, batch_id: int | None) -> None:
    with scene.ledger.write() as session:
        leases.beat(session, worker, pid=1, batch_id=batch_id, now=scene.now)


def test_a_large_batch_does_not_keep_the_others_waiting(scene: Scene, tmp_path: Path) -> None:
    batches = [
        scene.listed_batch([make_document(number * 10 + one) for one in range(3)])
        for number in range(3)
    ]
    queue = Told(tmp_path / "queue.db")
    busy(scene, "w1", batches[0])
    for _ in range(40):  # w2 comes back again and again while w1 stays with the first
        busy(scene, "w2", None)
        assert offer(scene.ledger, queue, now=scene.now, zone=SHANGHAI) == 1
        busy(scene, "w2", queue.batches[-1])
    told = Counter(queue.batches)
    assert told[batches[0]] == 0
    assert min(told[batches[1]], told[batches[2]]) > 0
    queue.close()


def test_every_idle_worker_gets_a_message(scene: Scene, tmp_path: Path) -> None:
    batch_id = scene.listed_batch([make_document(1)])
    queue = Told(tmp_path / "queue.db")
    for name in ("w1", "w2", "w3"):
        busy(scene, name, None)
    assert offer(scene.ledger, queue, now=scene.now, zone=SHANGHAI) == 3
    assert queue.batches == [batch_id] * 3
    queue.close()


def test_nothing_due_nothing_told(scene: Scene, tmp_path: Path) -> None:
    scene.add_noise([])
    queue = Told(tmp_path / "queue.db")
    busy(scene, "w1", None)
    assert offer(scene.ledger, queue, now=scene.now, zone=SHANGHAI) == 0
    queue.close()
