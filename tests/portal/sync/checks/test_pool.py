from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import tests.portal.sync.checks.check_samples as samples
import tests.portal.sync.checks.hostile_samples as hostile
from portal.sync.checks.inspection import FileFacts, Inspection, InspectionJob
from portal.sync.checks.pool import InspectorPool

GOOD = samples.good_files()


@pytest.fixture
def pool() -> Iterator[InspectorPool]:
    with InspectorPool(2) as pool:
        yield pool


def check(pool: InspectorPool, *jobs: InspectionJob) -> dict[int | str, Inspection]:
    """Run a loop over the pool until every job has its result, as the transfer loop would."""
    for job in jobs:
        pool.submit(job)
    results: dict[int | str, Inspection] = {}
    with select.epoll() as loop:
        loop.register(pool, select.EPOLLIN)
        while pool.waiting:
            deadline = pool.next_deadline()
            assert deadline is not None
            loop.poll(max(deadline - time.monotonic(), 0))
            results |= {result.id: result for result in pool.collect()}
    return results


def code(result: Inspection) -> str | None:
    return result.error.code if result.error else None


def child_ids() -> set[int]:
    """The processes whose parent we are, from the kernel's own list."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return {int(number) for number in listed.split()}


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path, "good.jpg", GOOD["a.jpg"])


def test_good_files_of_all_kinds(pool: InspectorPool, tmp_path: Path) -> None:
    jobs = [samples.job(write(tmp_path, name, content)) for name, content in GOOD.items()]
    results = check(pool, *jobs)
    assert {name: code(result) for name, result in results.items()} == dict.fromkeys(GOOD)
    assert results["a.jpg"].facts == FileFacts("jpeg", 1, 400, 320, 300)
    assert len(child_ids()) <= 2


def test_memory_is_bounded(tmp_path: Path, good: Path) -> None:
    path = write(tmp_path, "bomb.pdf", hostile.flate_bomb_pdf())
    with InspectorPool(1) as pool:
        results = check(pool, samples.job(path), samples.job(good))
    error = results["bomb.pdf"].error
    assert error is not None
    assert (error.code, error.params) == ("FILE_HOSTILE", {"detail": "memory"})
    assert code(results["good.jpg"]) is None


def test_file_over_time_is_hostile_and_its_child_replaced(tmp_path: Path, good: Path) -> None:
    path = write(tmp_path, "computes.tif", hostile.bomb_tiff())
    with InspectorPool(1, seconds=2) as pool:
        results = check(pool, samples.job(path), samples.job(good))
    error = results["computes.tif"].error
    assert error is not None
    assert (error.code, error.params) == ("FILE_HOSTILE", {"detail": "2 s"})
    assert code(results["good.jpg"]) is None


def test_of_files_in_one_hand_only_the_guilty_one_is_hostile(tmp_path: Path, good: Path) -> None:
    paths = [write(tmp_path, f"{number}.jpg", good.read_bytes()) for number in range(12)]
    paths.insert(5, write(tmp_path, "computes.tif", hostile.bomb_tiff()))
    with InspectorPool(1, seconds=2) as pool:
        results = check(pool, *map(samples.job, paths))
    assert len(results) == 13
    assert [name for name, result in results.items() if code(result)] == ["computes.tif"]
    assert code(results["computes.tif"]) == "FILE_HOSTILE"


def test_what_a_child_did_not_come_to_is_given_again(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that has time for no second file, whatever it is given."""
    hasty = "from portal.sync.checks import inspector as i; i._TOGETHER_SECONDS = -1; i.main()"
    shim = write(tmp_path, "python", f'#!/bin/sh\nexec {sys.executable} -c "{hasty}" $3\n'.encode())
    shim.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(shim))
    jobs = [replace(samples.job(good), id=number) for number in range(40)]
    with InspectorPool(1) as pool:
        assert [*map(code, check(pool, *jobs).values())] == [None] * 40


def test_file_kept_waiting_by_its_disk_may_be_tried_again(tmp_path: Path, good: Path) -> None:
    fifo = tmp_path / "stalls.jpg"
    os.mkfifo(fifo)
    with InspectorPool(1, seconds=0.5) as pool:
        results = check(pool, samples.job(fifo), samples.job(good))
    error = results["stalls.jpg"].error
    assert error is not None
    assert (error.code, error.permanent) == ("INTERNAL", False)
    assert code(results["good.jpg"]) is None


def test_time_is_judged_by_the_given_clock(tmp_path: Path, good: Path) -> None:
    fifo = tmp_path / "stalls.jpg"
    os.mkfifo(fifo)
    with InspectorPool(1, seconds=1000) as pool:
        check(pool, samples.job(good))
        pool.submit(samples.job(fifo))
        deadline = pool.next_deadline()
        assert deadline is not None
        assert pool.collect(now=deadline - 1) == []
        assert [code(result) for result in pool.collect(now=deadline)] == ["INTERNAL"]
        assert pool.waiting == 0
        assert pool.next_deadline() is None


def test_file_whose_child_is_killed_from_outside_is_checked_by_another(
    tmp_path: Path, good: Path
) -> None:
    fifo = tmp_path / "stalls.txt"
    os.mkfifo(fifo)
    with InspectorPool(1, seconds=1000) as pool:
        check(pool, samples.job(good))
        pool.submit(samples.job(fifo))
        (victim,) = child_ids()
        os.kill(victim, signal.SIGKILL)
        pool.submit(samples.job(good))
        while child_ids() <= {victim}:
            select.select([pool], [], [])
            assert pool.collect() == []
        (victim,) = child_ids()
        os.kill(victim, signal.SIGKILL)
        results = check(pool)
    assert code(results["good.jpg"]) is None
    # Twice, while it was in hand or before: whichever, the file is not to blame.
    assert "FILE_HOSTILE" not in {code(result) for result in results.values()}


def test_child_killed_while_idle_is_blamed_on_no_file(good: Path) -> None:
    with InspectorPool(1) as pool:
        check(pool, samples.job(good))
        (victim,) = child_ids()
        os.kill(victim, signal.SIGKILL)
        os.waitid(os.P_PID, victim, os.WEXITED | os.WNOWAIT)
        assert code(check(pool, samples.job(good))["good.jpg"]) is None


def test_file_is_not_judged_by_the_memory_that_another_one_has_taken(
    tmp_path: Path, good: Path
) -> None:
    """A child of which hardly any memory is left; in a fresh one the picture fits."""
    large = tmp_path / "large.gif"
    Image.new("P", (3600, 3600)).save(large)
    with InspectorPool(1) as pool:
        check(pool, samples.job(good))
        (worn,) = child_ids()
        most = 40 * 1024 * 1024
        resource.prlimit(worn, resource.RLIMIT_AS, (most, most))
        assert code(check(pool, samples.job(large))["large.gif"]) is None
        assert worn not in child_ids()


def test_children_serve_many_files_and_start_lazily(good: Path) -> None:
    with InspectorPool(3) as pool:
        assert child_ids() == set()
        check(pool, samples.job(good))
        first = child_ids()
        assert len(first) == 1
        for number in range(20):
            check(pool, samples.job(good, id=number))
        assert child_ids() == first
    assert child_ids() == set()


def test_more_files_than_children(pool: InspectorPool, good: Path) -> None:
    results = check(pool, *(samples.job(good, id=number) for number in range(200)))
    assert set(results) == set(range(200))
    assert {code(result) for result in results.values()} == {None}
    assert len(child_ids()) == 2


def test_vanished_file_may_be_tried_again(
    pool: InspectorPool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = check(pool, samples.job(tmp_path / "gone.jpg"))["gone.jpg"]
    assert code(result) == "INTERNAL"
    assert "FileNotFoundError" in caplog.text


@pytest.mark.parametrize("program", ["/bin/false", "/no/such/program"])
def test_inspector_that_does_not_start_is_blamed_on_no_file(
    monkeypatch: pytest.MonkeyPatch, good: Path, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    with InspectorPool(2) as pool:
        results = check(pool, *(samples.job(good, id=number) for number in range(3)))
    assert [code(result) for result in results.values()] == ["INTERNAL"] * 3


def test_children_die_with_their_parent(good: Path) -> None:
    """A parent that is killed without warning, while a child is idle."""
    program = (
        "import sys, test_pool, check_samples\n"
        "from pathlib import Path\n"
        "pool = test_pool.InspectorPool(1)\n"
        "test_pool.check(pool, check_samples.job(Path(sys.argv[1])))\n"
        "print(*test_pool.child_ids(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(good)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    with parent:
        assert parent.stdout is not None
        inspector = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            assert select.select([inspector], [], [], 30)[0], "the inspector lives on"
        finally:
            os.close(inspector)
