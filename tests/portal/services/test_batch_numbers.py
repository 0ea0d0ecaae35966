from __future__ import annotations

import threading
from datetime import UTC, date, datetime

from sqlalchemy import insert

from portal.models import BatchNumber
from portal.services import batches
from portal.services.batch_numbers import next_batch_no
from tests.portal.ledger_scene import SHANGHAI, Scene

DAY = date(2026, 11, 22)


def take(scene: Scene, day: date = DAY) -> str:
    with scene.ledger.write() as session:
        return next_batch_no(session, day)


def test_numbers_count_up_and_start_anew_each_day(scene: Scene) -> None:
    assert [take(scene), take(scene)] == ["MB20261122-0001", "MB20261122-0002"]
    assert take(scene, date(2026, 11, 23)) == "MB20261123-0001"
    assert take(scene) == "MB20261122-0003"


def test_numbers_are_unique_under_eight_threads(scene: Scene) -> None:
    taken: list[str] = []
    together = threading.Barrier(8)

    def work() -> None:
        together.wait()
        for _ in range(5):
            taken.append(take(scene))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [f"MB20261122-{number:04d}" for number in range(1, 41)]


def test_a_creation_that_fails_gives_its_number_back(scene: Scene) -> None:
    try:
        with scene.ledger.write() as session:
            next_batch_no(session, DAY)
            raise RuntimeError
    except RuntimeError:
        pass
    assert take(scene) == "MB20261122-0001"


def test_the_ten_thousandth_batch_of_a_day_gets_five_digits(scene: Scene) -> None:
    with scene.ledger.write() as session:
        session.execute(insert(BatchNumber).values(day=DAY, last=9999))
    assert take(scene) == "MB20261122-10000"


def test_the_day_of_a_number_is_the_one_in_shanghai(scene: Scene) -> None:
    scene.now = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
    with scene.ledger.write() as session:
        batch = batches.create(session, scene.scope(), by="b", now=scene.now, zone=SHANGHAI)
        assert batch.batch_no == "MB20261123-0001"
