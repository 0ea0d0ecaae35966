from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tests.portal.sync.viewing.view_samples as samples
from portal.sync.archive.local import LocalArchive
from portal.sync.viewing.cache import RenditionCache
from portal.sync.viewing.picture import Rendition
from portal.sync.viewing.renditions import rendition

PNG = b"\x89PNG\r\n\x1a\n"
DIGESTS = [f"{number:064x}" for number in range(40)]


def picture(size: int = 1000) -> Rendition:
    return Rendition("image/png", PNG.ljust(size, b"x"), pages=3)


def held_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def kept(cache: RenditionCache) -> list[int]:
    """Which of the digests are there, by their number."""
    return [n for n, digest in enumerate(DIGESTS) if cache.get(digest, 1, 100) is not None]


def test_what_was_put_is_got_by_all_parts_of_its_name(cache: RenditionCache) -> None:
    cache.put(DIGESTS[0], 1, 100, picture())
    assert cache.get(DIGESTS[0], 1, 100) == picture()
    assert cache.get(DIGESTS[0], 2, 100) is None
    assert cache.get(DIGESTS[0], 1, 200) is None
    assert cache.get(DIGESTS[1], 1, 100) is None


def test_least_recently_looked_at_go_first(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cache = RenditionCache(folder, max_bytes=4500)
    for number, digest in enumerate(DIGESTS[:4]):
        cache.put(digest, 1, 100, picture())
        (path,) = folder.glob(f"{digest}-*")
        os.utime(path, (number, number))  # the first second of 1970 and so on
    assert cache.get(DIGESTS[0], 1, 100) is not None
    cache.put(DIGESTS[4], 1, 100, picture())
    assert kept(cache) == [0, 2, 3, 4]
    assert held_bytes(folder) <= 4500


def test_what_a_crash_left_half_written_goes_too(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    left = folder / ".half-written"
    left.write_bytes(bytes(5000))
    os.utime(left, (0, 0))
    RenditionCache(folder, max_bytes=4500).put(DIGESTS[0], 1, 100, picture())
    assert not left.exists()


def fill(folder: Path) -> None:
    cache = RenditionCache(folder, max_bytes=10_000)
    for digest in DIGESTS * 3:
        cache.put(digest, 1, 100, picture())
        assert cache.get(digest, 1, 100) in (None, picture())


def test_several_processes_share_it(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    program = "import sys, pathlib, test_rendition_cache as t; t.fill(pathlib.Path(sys.argv[1]))"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], env={**os.environ, "PYTHONPATH": path}
        )
        for _ in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert held_bytes(folder) <= 10_000
    assert kept(RenditionCache(folder))
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    "damage", [b"", b"\n", b"[]\n", b'{"pages": 1}\n' + PNG, picture().to_bytes()[:-1], bytes(900)]
)
def test_damaged_picture_is_not_shown(
    cache: RenditionCache, tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put(DIGESTS[0], 1, 100, picture())
    (path,) = (tmp_path / "cache" / "renditions").iterdir()
    path.write_bytes(damage)
    assert cache.get(DIGESTS[0], 1, 100) is None
    assert "unreadable" in caplog.text
    cache.put(DIGESTS[0], 1, 100, picture())
    assert cache.get(DIGESTS[0], 1, 100) == picture()


def test_cache_that_cannot_be_written_costs_no_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = RenditionCache(tmp_path / "file" / "renditions")
    cache.put(DIGESTS[0], 1, 100, picture())
    assert cache.get(DIGESTS[0], 1, 100) is None
    assert "cannot be written" in caplog.text


def test_drawn_once_looked_at_twice(
    monkeypatch: pytest.MonkeyPatch,
    archive: LocalArchive,
    keep: Callable[[bytes], str],
    cache: RenditionCache,
) -> None:
    key = keep(samples.grey_pages(7))
    first = rendition(archive, key, "tiff", cache=cache)
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    assert rendition(archive, key, "tiff", cache=cache) == first
