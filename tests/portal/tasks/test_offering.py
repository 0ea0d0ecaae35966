from __future__ import annotations

from collections import Counter
from pathlib import Path

from portal.models import Priority
from portal.services import batches, leases
from portal.tasks.offering import offer
from portal.tasks.queue import WorkQueue
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene


class Told(WorkQueue):
    """A queue that remembers what it was told, and of which a worker takes everything at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"sqlite:///{path}")
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


def of_priority(scene: Scene, number: int, priority: Priority) -> int:
    batch_id = scene.listed_batch([make_document(number)])
    scene.do(batches.set_priority, batch_id, priority=priority)
    return batch_id


def test_idle_workers_turn_to_batches_of_higher_priority_first(
    scene: Scene, tmp_path: Path
) -> None:
    words = (Priority.LOW, Priority.HIGH, Priority.NORMAL)
    ids = {word: of_priority(scene, number, word) for number, word in enumerate(words)}
    queue = Told(tmp_path / "queue.db")
    for number in range(700):  # so many that chance changes little
        busy(scene, f"w{number}", None)
    offer(scene.ledger, queue, now=scene.now, zone=SHANGHAI)
    told = Counter(queue.batches)
    assert told[ids[Priority.HIGH]] > told[ids[Priority.NORMAL]] > told[ids[Priority.LOW]] > 0
    queue.close()


def test_a_single_worker_works_on_the_urgent_batch_and_sometimes_on_the_other(
    scene: Scene, tmp_path: Path
) -> None:
    high = of_priority(scene, 1, Priority.HIGH)
    low = of_priority(scene, 2, Priority.LOW)
    queue = Told(tmp_path / "queue.db")
    busy(scene, "w1", None)
    for _ in range(400):
        offer(scene.ledger, queue, now=scene.now, zone=SHANGHAI)
    told = Counter(queue.batches)
    assert told[high] > 2 * told[low] > 0
    queue.close()


def test_a_worker_that_is_busy_with_the_urgent_batch_does_not_leave_the_next_to_the_other(
    scene: Scene, tmp_path: Path
) -> None:
    high = of_priority(scene, 1, Priority.HIGH)
    low = of_priority(scene, 2, Priority.LOW)
    queue = Told(tmp_path / "queue.db")
    busy(scene, "w1", high)
    busy(scene, "w2", None)
    for _ in range(100):
        offer(scene.ledger, queue, now=scene.now, zone=SHANGHAI)
    told = Counter(queue.batches)
    assert told[high] > told[low]
    queue.close()
