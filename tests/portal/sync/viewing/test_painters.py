"""What the drawing processes do to us and we to them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tests.portal.sync.viewing.view_samples as samples
from portal.errors import SyncError
from portal.sync.archive.local import LocalArchive
from portal.sync.viewing.cache import RenditionCache
from portal.sync.viewing.picture import Rendition
from portal.sync.viewing.refusals import Busy
from portal.sync.viewing.renditions import PAINTERS, rendition

Keep = Callable[[bytes], str]
Look = Callable[..., Rendition]
GOOD = samples.grey_pages(100)


def painter_ids() -> set[int]:
    """The processes that any of our threads started, from the kernel's own list."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(number) for path in lists for number in path.read_text().split()}


@pytest.mark.parametrize(
    ("kind", "content", "code", "detail"),
    [
        ("tiff", samples.tiff_loop(), "FILE_HOSTILE", "tiff: pages in a loop"),
        ("tiff", b"II*\0 and then nothing", "FILE_CORRUPT", "no readable tiff header"),
        ("tiff", samples.bomb_tiff(4_000), "FILE_CORRUPT", None),
        ("jpeg", samples.saved(samples.sheet(), "PNG"), "FILE_CORRUPT", "no readable jpeg header"),
        ("jpeg", b"<script>alert(1)</script>", "FILE_CORRUPT", "no readable jpeg header"),
        ("png", b"\x89PNG\r\n\x1a\n", "FILE_CORRUPT", "no readable png header"),
        ("webp", samples.saved(samples.sheet(), "WEBP")[:200], "FILE_CORRUPT", None),
        ("pdf", b"%PDF-1.4 and no more", "FILE_CORRUPT", "pdf: page 1 does not open"),
    ],
)
def test_bad_file_is_named_and_hurts_nobody(
    look: Look, kind: str, content: bytes, code: str, detail: str | None
) -> None:
    with pytest.raises(SyncError) as caught:
        look(content, kind)
    assert caught.value.code == code
    assert detail in (None, caught.value.params["detail"])
    assert painter_ids() == set()
    assert look(GOOD, "tiff").pages == 1


def test_endless_file_is_ended(look: Look) -> None:
    with pytest.raises(SyncError) as caught:
        look(samples.endless_pdf(), "pdf", width=2000, seconds=0.5)
    assert caught.value.code == "FILE_HOSTILE"
    assert caught.value.params == {"detail": "0.5 s"}
    assert painter_ids() == set()


def test_memory_of_a_painter_is_bounded(look: Look) -> None:
    with pytest.raises(SyncError) as caught:
        look(samples.pdf_bomb(), "pdf", seconds=60)
    assert (caught.value.code, caught.value.params) == ("FILE_HOSTILE", {"detail": "memory"})
    assert look(GOOD, "tiff").pages == 1


def test_eight_threads_at_once(archive: LocalArchive, keep: Keep, cache: RenditionCache) -> None:
    keys = [keep(samples.grey_pages(*range(10, 20 + number))) for number in range(4)] * 2

    def draw(key: str) -> Rendition:
        return rendition(archive, key, "tiff", width=80, cache=cache, patience=60)

    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(draw, keys))
    assert [picture.pages for picture in drawn] == [10, 11, 12, 13] * 2
    assert drawn[:4] == drawn[4:]
    assert painter_ids() == set()


class StallingCache(RenditionCache):
    """Keeps whoever has drawn a picture from giving the place away."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.drawn = threading.Semaphore(0)
        self.go_on = threading.Event()

    def put(self, sha256: str, page: int, width: int, drawn: Rendition) -> None:
        self.drawn.release()
        self.go_on.wait()
        super().put(sha256, page, width, drawn)


def test_more_than_two_wait_and_are_told_so(
    tmp_path: Path, archive: LocalArchive, keep: Keep
) -> None:
    cache = StallingCache(tmp_path / "cache")
    key = keep(samples.grey_pages(1, 2, 3, 4))
    with ThreadPoolExecutor(PAINTERS) as threads:
        at_work = [
            threads.submit(rendition, archive, key, "tiff", page=page + 1, cache=cache)
            for page in range(PAINTERS)
        ]
        try:
            for _ in at_work:
                assert cache.drawn.acquire(timeout=60)
            with pytest.raises(Busy) as caught:
                rendition(archive, key, "tiff", page=4, cache=cache, patience=0.05)
        finally:
            cache.go_on.set()
        assert [work.result().pages for work in at_work] == [4] * PAINTERS
    assert "0.05" in caught.value.reason("zh")
    assert rendition(archive, key, "tiff", page=4, cache=cache).pages == 4


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Puts a shell program in the painter's place."""

    def replace(program: str) -> None:
        path = tmp_path / "painter"
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(path))

    return replace


@pytest.mark.parametrize(
    ("program", "code", "detail"),
    [
        ("printf R; kill -9 $$", "FILE_HOSTILE", "memory"),
        ("printf R; kill -ABRT $$", "FILE_HOSTILE", "memory"),
        ("printf R; kill -SEGV $$", "FILE_HOSTILE", "signal 11"),
        ("printf R; exit 3", "FILE_HOSTILE", "exit 3"),
        ("printf 'R[1]'", "FILE_HOSTILE", "exit 0"),
        ("""printf 'R{"code": "NONSENSE", "params": {}}'""", "FILE_HOSTILE", "exit 0"),
        ("""printf 'R{"code": "FILE_CORRUPT"}'""", "FILE_HOSTILE", "exit 0"),
        ("""printf 'R{"pages": 1}\n<html>'""", "FILE_HOSTILE", "exit 0"),
        ("printf R; exec yes", "FILE_HOSTILE", "too long an answer"),
        ("printf R; yes [ | head -c 9999", "FILE_HOSTILE", "exit 0"),
        ("""printf 'R{"code": "VIEW_NO_PAGE", "params": {}}'""", "FILE_HOSTILE", "exit 0"),
        ("exit 1", "INTERNAL", "the painter does not start: exit 1"),
    ],
)
def test_painter_that_goes_wrong(
    look: Look, replaced: Callable[[str], None], program: str, code: str, detail: str
) -> None:
    replaced(program)
    with pytest.raises(SyncError) as caught:
        look(GOOD, "tiff")
    assert (caught.value.code, caught.value.params) == (code, {"detail": detail})
    assert painter_ids() == set()


def test_painter_that_died_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, look: Look, replaced: Callable[[str], None]
) -> None:
    replaced("printf R; kill -9 $$")
    for _ in range(PAINTERS + 1):  # it gives its place back, too
        with pytest.raises(SyncError):
            look(GOOD, "tiff", patience=0)
    monkeypatch.undo()
    assert look(GOOD, "tiff", patience=0).pages == 1


def test_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, look: Look) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    with pytest.raises(SyncError) as caught:
        look(GOOD, "tiff")
    assert caught.value.code == "INTERNAL"
    assert "No such file" in caught.value.params["detail"]


def test_our_own_mistake_is_logged_with_its_trace(
    look: Look, replaced: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    said = '{"code": "INTERNAL", "params": {"detail": "KeyError"}, "trace": "line 7"}'
    replaced(f"printf 'R{said}'")
    with pytest.raises(SyncError) as caught:
        look(GOOD, "tiff")
    assert caught.value.code == "INTERNAL"
    assert "line 7" in caplog.text


def test_painter_knows_no_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, look: Look, replaced: Callable[[str], None]
) -> None:
    monkeypatch.setenv("PORTAL_SECRET_KEY", "hush")
    seen = tmp_path / "seen"
    replaced(f"env > {seen}; exit 1")
    with pytest.raises(SyncError):
        look(GOOD, "tiff")
    assert "PATH=" in seen.read_text()
    assert "hush" not in seen.read_text()


def test_painter_dies_with_its_parent(archive: LocalArchive, keep: Keep, tmp_path: Path) -> None:
    """A web process that is killed without warning, while a picture is drawn."""
    key = keep(samples.endless_pdf())
    program = (
        "import sys, threading, time, test_painters as t\n"
        "from pathlib import Path\n"
        "home = Path(sys.argv[1])\n"
        "archive, cache = t.LocalArchive(home / 'archive'), t.RenditionCache(home / 'cache')\n"
        "look = dict(cache=cache, seconds=60)\n"
        "threading.Thread(target=t.rendition, args=(archive, sys.argv[2], 'pdf'), kwargs=look,\n"
        "                 daemon=True).start()\n"
        "while not t.painter_ids():\n"
        "    time.sleep(0.01)\n"
        "print(*t.painter_ids(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    with parent:
        assert parent.stdout is not None
        painter = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            assert select.select([painter], [], [], 30)[0], "the painter lives on"
        finally:
            os.close(painter)
