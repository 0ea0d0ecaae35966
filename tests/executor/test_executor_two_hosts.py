"""Two executor hosts, each with its own address, on one database."""

from __future__ import annotations

from typing import Any

import pytest

from executor.protocol import texts
from tests.executor.executor_rig import ADDRESS, Database, Rig
from tests.executor.fake_admin import FakeAdmin

OTHER = "http://10.0.0.6:8000/xxl-job/"


class Hosts:
    """Host ``a`` and host ``b``; what one enqueues only its own workers hear of."""

    def __init__(self, database: Database, **settings: Any) -> None:
        self.a = Rig(database, **settings)
        self.b = Rig(database, **{**settings, "address": OTHER})

    def advance(self, seconds: float) -> None:
        self.a.advance(seconds)
        self.b.advance(seconds)

    def broadcast(self, log_id: int, **fields: Any) -> list[int]:
        """The two parts of a broadcast, each sent to a host of its own; the answers' codes."""
        words = {"executorHandler": "deferring", "broadcastTotal": 2, **fields}
        return [
            rig.run(log_id + index, broadcastIndex=index, **words)["code"]
            for index, rig in enumerate((self.a, self.b))
        ]


@pytest.fixture
def hosts(database: Database) -> Hosts:
    return Hosts(database)


@pytest.fixture
def reporting(database: Database, admin: FakeAdmin) -> Hosts:
    return Hosts(database, admin_addresses=(admin.address,))


def test_an_admin_knows_both_addresses_and_loses_only_that_of_the_host_that_stops(
    reporting: Hosts, admin: FakeAdmin
) -> None:
    reporting.a.tick()
    reporting.b.tick()
    assert set(admin.registered) == {ADDRESS, OTHER}
    told, _ = reporting.a.executor.reporting()
    assert {(one.executor_address, one.problem) for one in told} == {(ADDRESS, None), (OTHER, None)}
    assert reporting.b.executor.leave() > 0
    assert set(admin.registered) == {ADDRESS}
    assert reporting.a.executor.leave() > 0
    assert admin.registered == {}


def test_hosts_behind_one_address_take_it_back_with_the_last(
    database: Database, admin: FakeAdmin
) -> None:
    first, second = (Rig(database, admin_addresses=(admin.address,)) for _ in range(2))
    first.tick()
    second.tick()
    assert first.executor.leave() == 0
    assert set(admin.registered) == {ADDRESS}
    assert second.executor.leave() > 0
    assert admin.registered == {}


def test_what_an_address_was_told_that_nobody_registers_any_more_is_forgotten(
    reporting: Hosts,
) -> None:
    reporting.a.tick()
    reporting.b.tick()
    reporting.advance(24 * 3600 + 1)
    reporting.a.tick()
    told, _ = reporting.a.executor.reporting()
    assert [one.executor_address for one in told] == [ADDRESS]


def test_either_host_answers_log_idle_beat_and_kill_for_the_others_run(hosts: Hosts) -> None:
    hosts.a.run(1, executorHandler="deferring")
    hosts.a.work()
    assert hosts.b.call("idleBeat", {"jobId": 7})["code"] == 500
    assert "deferred" in hosts.b.log(1)["logContent"]
    assert hosts.b.call("kill", {"jobId": 7})["code"] == 200
    assert hosts.a.result(1)[0] == 500
    assert hosts.a.call("idleBeat", {"jobId": 7})["code"] == 200
    assert hosts.a.log(1)["isEnd"]


def test_the_same_trigger_at_both_hosts_is_one_run(hosts: Hosts) -> None:
    for rig in (hosts.a, hosts.b):
        assert rig.run(1, executorHandler="deferring")["code"] == 200
    hosts.a.work()
    hosts.b.work()
    with hosts.a.database.read() as session:
        assert session.connection().exec_driver_sql(
            "SELECT count(*), max(claims) FROM executor_runs"
        ).one() == (1, 1)


@pytest.mark.parametrize(
    ("strategy", "codes", "first"),
    [
        ("SERIAL_EXECUTION", [200, 200], "deferred"),
        ("DISCARD_LATER", [200, 500], "deferred"),
        ("COVER_EARLY", [200, 200], "killed"),
    ],
)
def test_a_block_strategy_is_about_the_job_on_all_hosts(
    hosts: Hosts, strategy: str, codes: list[int], first: str
) -> None:
    def send(rig: Rig, log_id: int) -> int:
        words = {"executorHandler": "deferring", "executorBlockStrategy": strategy}
        return int(rig.run(log_id, **words)["code"])

    answers = [send(hosts.a, 1)]
    hosts.a.work()
    answers.append(send(hosts.b, 2))
    hosts.b.work()
    assert answers == codes
    assert hosts.a.row(1).status == first
    if strategy == "SERIAL_EXECUTION":
        assert hosts.b.row(2).status == "queued"


@pytest.mark.parametrize("strategy", ["SERIAL_EXECUTION", "DISCARD_LATER", "COVER_EARLY"])
def test_the_parts_of_a_broadcast_run_at_the_same_time(hosts: Hosts, strategy: str) -> None:
    assert hosts.broadcast(10, executorBlockStrategy=strategy) == [200, 200]
    hosts.a.work()
    hosts.b.work()
    assert [hosts.a.row(log_id).status for log_id in (10, 11)] == ["deferred", "deferred"]


def test_the_next_broadcast_meets_each_part_with_its_own_strategy(hosts: Hosts) -> None:
    hosts.broadcast(10)
    hosts.a.work()
    hosts.b.work()
    hosts.a.executor.finish(10, 200, "done")
    assert hosts.broadcast(20, executorBlockStrategy="DISCARD_LATER") == [200, 500]
    hosts.a.work()
    assert hosts.a.row(20).status == "deferred"
    assert hosts.broadcast(30, executorBlockStrategy="COVER_EARLY") == [200, 200]
    assert [hosts.a.row(log_id).status for log_id in (11, 20)] == ["killed", "killed"]


def test_an_ordinary_run_and_the_parts_of_a_broadcast_exclude_each_other(hosts: Hosts) -> None:
    hosts.broadcast(10)
    hosts.a.work()
    hosts.b.work()
    hosts.a.run(20, executorHandler="deferring")
    hosts.a.work()
    assert hosts.a.row(20).status == "queued"
    hosts.a.executor.finish(10, 200, "done")
    hosts.a.work()
    assert hosts.a.row(20).status == "queued"
    hosts.a.executor.finish(11, 200, "done")
    hosts.a.work()
    assert hosts.a.row(20).status == "deferred"
    hosts.broadcast(30)
    hosts.a.work()
    hosts.b.work()
    assert [hosts.a.row(log_id).status for log_id in (30, 31)] == ["queued", "queued"]
    hosts.b.executor.finish(20, 200, "done")
    hosts.b.work()
    assert [hosts.a.row(log_id).status for log_id in (30, 31)] == ["deferred", "deferred"]


def test_a_kill_at_one_host_ends_all_parts_of_a_broadcast(hosts: Hosts) -> None:
    hosts.broadcast(10)
    hosts.a.work()
    hosts.b.work()
    hosts.b.call("kill", {"jobId": 7})
    assert [hosts.a.row(log_id).status for log_id in (10, 11)] == ["killed", "killed"]


def test_a_run_of_a_vanished_host_is_taken_over_by_the_other(hosts: Hosts) -> None:
    hosts.a.run(1, executorHandler="deferring")  # nobody is left to hear of it at host a
    hosts.advance(16)
    hosts.b.tick()
    hosts.b.work()
    assert hosts.b.row(1).status == "deferred"


def test_two_agents_deliver_a_result_once(reporting: Hosts, admin: FakeAdmin) -> None:
    reporting.a.run(1)
    reporting.a.work()
    for _ in range(3):
        reporting.a.tick()
        reporting.b.tick()
        reporting.advance(1)
    assert admin.results[1].code == texts.OK
    assert (admin.count("callback"), admin.doubled) == (1, set())
