from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.portal.sync.checks.check_samples as samples
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


def hostile_files() -> dict[str, tuple[bytes, str]]:
    """The hostile set: name → content and the code it must end with."""
    escape = {**samples.ofd_members(), "../../etc/cron.d/x": b"x"}
    pointing_out = samples.ofd_members()
    pointing_out["OFD.xml"] = pointing_out["OFD.xml"].replace(b"Doc_0/", b"../../Doc_0/")
    entities = {**samples.ofd_members(), "Doc_0/Pages/Page_0/Content.xml": samples.XML_BOMB}
    return {
        "bomb.ofd": (samples.ofd(more={"zeros": bytes(100 * 1024 * 1024)}), "FILE_HOSTILE"),
        "escape.ofd": (samples.zipped(escape), "FILE_HOSTILE"),
        "pointing.ofd": (samples.zipped(pointing_out), "FILE_HOSTILE"),
        "entities.ofd": (samples.zipped(entities), "FILE_HOSTILE"),
        "entities.xml": (samples.XML_BOMB, "FILE_HOSTILE"),
        "deep.xml": (b"<?xml version='1.0'?>" + b"<a>" * 1_000_000, "FILE_HOSTILE"),
        "huge.tif": (samples.tiff_header(50_000, 50_000), "FILE_PIXELS_HIGH"),
        "huge.png": (samples.png_header(50_000, 50_000), "FILE_PIXELS_HIGH"),
        "pages.tif": (samples.tiff_of_empty_pages(10_000), "FILE_PAGES_HIGH"),
        "loop.tif": (tiff_loop(), "FILE_HOSTILE"),
        "loop.pdf": (samples.pdf(0, kids="2 0 R", count=5), "FILE_CORRUPT"),
        "count.pdf": (samples.pdf(1, kids="3 0 R " * 3_000, count=3_000), "FILE_PAGES_HIGH"),
        "canvas.webp": (webp_canvas(), "FILE_CORRUPT"),
    }


def tiff_loop() -> bytes:
    content = bytearray(samples.tiff_of_empty_pages(2))
    content[-4:] = content[4:8]
    return bytes(content)


def webp_canvas() -> bytes:
    """An animation on a canvas of 16,383 × 16,383 pixels: two of them take 2 GB."""
    still = bytearray(samples.picture("WEBP"))[12:]
    side = (16_382).to_bytes(3, "little")
    extended = b"VP8X\x0a\0\0\0\0\0\0\0" + side + side
    body = b"WEBP" + extended + still
    return b"RIFF" + len(body).to_bytes(4, "little") + body


HOSTILE = hostile_files()


def test_good_files_of_all_kinds(pool: InspectorPool, tmp_path: Path) -> None:
    jobs = [samples.job(write(tmp_path, name, content)) for name, content in GOOD.items()]
    results = check(pool, *jobs)
    assert {name: code(result) for name, result in results.items()} == dict.fromkeys(GOOD)
    assert results["a.jpg"].facts == FileFacts("jpeg", 1, 400, 320, 300)
    assert len(child_ids()) <= 2


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_ends_as_a_named_error(
    pool: InspectorPool, tmp_path: Path, good: Path, name: str
) -> None:
    content, expected = HOSTILE[name]
    results = check(pool, samples.job(write(tmp_path, name, content)), samples.job(good))
    assert code(results[name]) == expected
    assert results[name].error.params.get("detail") != "5 s"  # type: ignore[union-attr]
    assert code(results["good.jpg"]) is None
    assert code(check(pool, samples.job(good))["good.jpg"]) is None


def test_memory_is_bounded(tmp_path: Path, good: Path) -> None:
    """A directory of 160 MB, with every member's comment to be kept beside it."""
    path = tmp_path / "talkative.zip"
    samples.write_talkative_zip(path, members=2_500)
    with InspectorPool(1, seconds=60) as pool:
        results = check(pool, samples.job(path), samples.job(good))
    error = results["talkative.zip"].error
    assert error is not None
    assert (error.code, error.params) == ("FILE_HOSTILE", {"detail": "memory"})
    assert code(results["good.jpg"]) is None


def test_file_over_time_is_hostile_and_its_child_replaced(tmp_path: Path, good: Path) -> None:
    fifo = tmp_path / "stalls.jpg"
    os.mkfifo(fifo)
    with InspectorPool(1, seconds=0.5) as pool:
        results = check(pool, samples.job(fifo), samples.job(good))
    error = results["stalls.jpg"].error
    assert error is not None
    assert (error.code, error.params) == ("FILE_HOSTILE", {"detail": "0.5 s"})
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
        assert [code(result) for result in pool.collect(now=deadline)] == ["FILE_HOSTILE"]
        assert pool.waiting == 0
        assert pool.next_deadline() is None


def test_a_child_killed_from_outside_is_blamed_on_no_file(tmp_path: Path, good: Path) -> None:
    fifo = tmp_path / "stalls.jpg"
    os.mkfifo(fifo)
    with InspectorPool(1, seconds=1000) as pool:
        check(pool, samples.job(good))
        pool.submit(samples.job(fifo))
        (victim,) = child_ids()
        os.kill(victim, signal.SIGKILL)
        results = check(pool, samples.job(good))
    error = results["stalls.jpg"].error
    assert error is not None
    assert (error.code, error.permanent) == ("INTERNAL", False)
    assert code(results["good.jpg"]) is None


def test_child_killed_while_idle_is_blamed_on_no_file(good: Path) -> None:
    with InspectorPool(1) as pool:
        check(pool, samples.job(good))
        (victim,) = child_ids()
        os.kill(victim, signal.SIGKILL)
        os.waitid(os.P_PID, victim, os.WEXITED | os.WNOWAIT)
        assert code(check(pool, samples.job(good))["good.jpg"]) is None


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
