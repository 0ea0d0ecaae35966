"""The clock is put back by two hours while runs are under way."""

from __future__ import annotations

from executor import claims, parcels
from tests.executor.executor_rig import Database, Rig
from tests.executor.fake_admin import FakeAdmin

TWO_HOURS = 2 * 3600


def test_the_admins_are_still_told_that_we_are_there(database: Database, admin: FakeAdmin) -> None:
    rig = Rig(database, admin_addresses=(admin.address,))
    rig.tick()
    rig.advance(-TWO_HOURS)
    rig.tick()
    rig.advance(29)
    rig.tick()
    assert admin.calls == ["/xxl-job-admin/api/registry"] * 2


def test_a_run_whose_process_died_starts_again_after_one_lease(rig: Rig) -> None:
    rig.run(1, executorHandler="resumable")
    (run_id,) = rig.queue
    rig.queue.clear()
    with rig.database.begin() as session:  # and its process dies
        assert claims.claim(session, run_id, worker="w1", now=rig.now) is not None
    rig.advance(-TWO_HOURS)
    rig.tick()
    rig.advance(30)
    rig.tick()
    assert rig.queue == [run_id]
    rig.work()
    assert rig.result(1) == (200, "whole")


def test_a_message_that_got_lost_is_sent_again(rig: Rig) -> None:
    rig.run(1)
    rig.queue.clear()
    rig.advance(-TWO_HOURS)
    for _ in range(12):
        rig.tick()
        rig.advance(10)
    assert rig.queue
    rig.work()
    assert rig.result(1) == (200, "p")


def test_a_result_is_delivered_soon(database: Database, admin: FakeAdmin) -> None:
    rig = Rig(database, admin_addresses=(admin.address,))
    rig.run(1)
    rig.work()
    rig.advance(-TWO_HOURS)
    rig.tick()
    assert set(admin.results) == {1}


def test_a_result_whose_sender_died_is_sent_soon(database: Database, admin: FakeAdmin) -> None:
    rig = Rig(database, admin_addresses=(admin.address,))
    rig.run(1)
    rig.work()
    with rig.database.begin() as session:
        parcels.reserve(session, rig.now)
    rig.advance(-TWO_HOURS)
    for _ in range(7):
        rig.tick()
        rig.advance(10)
    assert set(admin.results) == {1}
