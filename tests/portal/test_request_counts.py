"""Counts of requests: right over all processes of a host, the dead ones included."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from portal.request_counts import BOUNDS, RequestCounts


def in_a_process(work: Callable[[], None]) -> None:
    """Do it in a fork, to its end; it dies without tidying up."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def total(folder: Path) -> dict[str, int]:
    counted = RequestCounts(folder).everybody()
    return {
        f"{m} {route} {status}": sum(one.buckets) for (m, route, status), one in counted.items()
    }


def test_processes_side_by_side_and_threads_in_each_are_added_up(tmp_path: Path) -> None:
    counts = RequestCounts(tmp_path)  # opened behind the forks, as a preloaded server has it

    def many() -> None:
        for _ in range(500):
            counts.add("GET", "/batches/", 200, 0.01)

    def work() -> None:
        threads = [threading.Thread(target=many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    counts.add("GET", "/batches/", 200, 0.01)
    in_a_process(work)
    in_a_process(work)
    counts.add("POST", "/batches/", 303, 0.2)
    assert total(tmp_path) == {"GET /batches/ 200": 4001, "POST /batches/ 303": 1}


def test_who_comes_after_the_dead_counts_on_in_their_files(tmp_path: Path) -> None:
    for _ in range(5):
        in_a_process(lambda: RequestCounts(tmp_path).add("GET", "/", 200, 1.0))
    assert total(tmp_path) == {"GET / 200": 5}
    assert len(list(tmp_path.iterdir())) == 1


def test_seconds_fall_into_their_buckets(tmp_path: Path) -> None:
    counts = RequestCounts(tmp_path)
    for seconds in (0.005, 0.0051, 29.9, 31.0):
        counts.add("GET", "/", 200, seconds)
    (one,) = counts.everybody().values()
    assert [number for number, hit in enumerate(one.buckets) if hit] == [0, 1, 11, 12]
    assert len(one.buckets) == len(BOUNDS) + 1
    assert abs(one.seconds - 60.9101) < 1e-6


def test_more_routes_than_there_is_room_for_share_the_last_place(tmp_path: Path) -> None:
    counts = RequestCounts(tmp_path)
    for number in range(1500):
        counts.add("GET", f"/{number}", 200, 0.0)
    assert sum(total(tmp_path).values()) == 1500
    assert total(tmp_path)["OTHER (other) 0"] == 1500 - 1023
    assert max(path.stat().st_size for path in tmp_path.iterdir()) == 256 * 1024


def test_requests_are_answered_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    counts = RequestCounts(tmp_path / "file" / "run")
    counts.add("GET", "/", 200, 0.0)
    assert counts.everybody() == {}
