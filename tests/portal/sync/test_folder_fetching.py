from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from portal.errors import SyncError
from portal.sync.curl_transfer import Download, Downloaded
from portal.sync.folder_fetching import FolderFetcher
from portal.sync.sources.files.folder import FolderFiles

SIZE = 3_000_000


class Sink:
    def __init__(self, on_write: Callable[[bytes], None] = lambda _data: None) -> None:
        self.content = b""
        self.threads: set[int] = set()
        self._on_write = on_write

    def write(self, data: bytes) -> None:
        self._on_write(data)
        self.threads.add(threading.get_ident())
        self.content += data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "export" / "in").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    return tmp_path / "export"


@pytest.fixture
def files(folder: Path) -> FolderFiles:
    return FolderFiles(folder, folder.parent / "home")


@pytest.fixture
def fetcher(files: FolderFiles) -> Iterator[FolderFetcher]:
    with closing(files.fetcher()) as made:
        yield made


def fetch(fetcher: FolderFetcher, path: str, sink: Sink | None = None) -> Downloaded:
    fetcher.start(Download(1, f"file:{path}", (), sink or Sink(), None))
    return ended(fetcher)[0]


def ended(fetcher: FolderFetcher, count: int = 1) -> list[Downloaded]:
    found: list[Downloaded] = []
    until = time.monotonic() + 20
    while len(found) < count:
        assert time.monotonic() < until
        found += fetcher.wait(0.5)
    return found


def test_many_files_come_whole_and_in_the_thread_that_waits(
    fetcher: FolderFetcher, folder: Path
) -> None:
    sinks = [Sink() for _ in range(40)]
    for number, sink in enumerate(sinks):
        (folder / "in" / str(number)).write_bytes(bytes([number]) * (number * 50_000 + 1))
        fetcher.start(Download(number, f"file:in/{number}", (), sink, None))
    assert fetcher.in_flight == 40
    outcomes = {one.key: one for one in ended(fetcher, 40)}
    for number, sink in enumerate(sinks):
        assert sink.content == bytes([number]) * (number * 50_000 + 1)
        assert sink.threads == {threading.get_ident()}
        assert (outcomes[number].error, outcomes[number].received) == (None, len(sink.content))
    assert fetcher.in_flight == 0


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link(path: Path) -> None:
    (path.parent.parent / "secret").write_text("secret")
    path.symlink_to(path.parent.parent / "secret")


@pytest.mark.parametrize(
    ("make", "path", "code"),
    [
        (make_fifo, "odd", "SRC_FILE_UNSAFE"),
        (make_link, "odd", "SRC_FILE_UNSAFE"),
        (lambda path: path.symlink_to(path.parent / "in"), "odd/1", "SRC_FILE_UNSAFE"),
        (Path.mkdir, "odd", "SRC_FILE_UNSAFE"),
        (Path.touch, "odd", "SRC_EMPTY"),
        (Path.touch, "odd/1", "SRC_FILE_MISSING"),
        (Path.touch, "in/none", "SRC_FILE_MISSING"),
        (Path.touch, "../secret", "SRC_FILE_UNSAFE"),
        (Path.touch, "in/../../secret", "SRC_FILE_UNSAFE"),
        (Path.touch, "/etc/passwd", "SRC_FILE_UNSAFE"),
        (Path.touch, "a\0b", "SRC_FILE_UNSAFE"),
    ],
)
def test_only_regular_files_of_the_folder_are_read(
    fetcher: FolderFetcher, folder: Path, make: Callable[[Path], None], path: str, code: str
) -> None:
    (folder / "in" / "1").write_text("1")
    make(folder / "odd")
    outcome = fetch(fetcher, path)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.received) == (code, 0)


def test_a_folder_that_is_gone_or_empty_is_the_places_fault(
    files: FolderFiles, fetcher: FolderFetcher, folder: Path
) -> None:
    (folder / "in").rmdir()
    with pytest.raises(SyncError, match="SRC_PLACE"):
        files.check()
    folder.rmdir()
    with pytest.raises(SyncError, match="SRC_PLACE"):
        files.check()
    error = fetch(fetcher, "in/1").error
    assert error is not None
    assert error.code == "SRC_PLACE"


def test_a_sink_that_refuses_ends_that_file_only(fetcher: FolderFetcher, folder: Path) -> None:
    def refuse(_data: bytes) -> None:
        raise SyncError("ARCHIVE_FULL")

    (folder / "big").write_bytes(b"x" * SIZE)
    good = Sink()
    fetcher.start(Download(1, "file:big", (), Sink(refuse), None))
    fetcher.start(Download(2, "file:big", (), good, None))
    outcomes = {one.key: one.error and one.error.code for one in ended(fetcher, 2)}
    assert outcomes == {1: "ARCHIVE_FULL", 2: None}
    assert len(good.content) == SIZE


def test_a_file_written_meanwhile_is_not_whole(fetcher: FolderFetcher, folder: Path) -> None:
    path = folder / "big"
    path.write_bytes(b"x" * SIZE)

    def grow(_data: bytes) -> None:
        with path.open("ab") as file:
            file.write(b"y")

    error = fetch(fetcher, "big", Sink(grow)).error
    assert error is not None
    assert (error.code, error.permanent) == ("SRC_SHORT_BODY", False)


def test_an_aborted_file_does_not_come_out(fetcher: FolderFetcher, folder: Path) -> None:
    (folder / "big").write_bytes(b"x" * SIZE)
    fetcher.start(Download(1, "file:big", (), Sink(), None))
    fetcher.abort(1)
    assert fetcher.in_flight == 0
    fetcher.start(Download(2, "file:big", (), Sink(), None))
    assert [one.key for one in ended(fetcher)] == [2]
    assert fetcher.wait(0) == []


def test_nothing_is_open_after_it_was_closed(fetcher: FolderFetcher, folder: Path) -> None:
    (folder / "big").write_bytes(b"x" * SIZE)
    before = len(os.listdir("/proc/self/fd"))
    for key in range(8):
        fetcher.start(Download(key, "file:big", (), Sink(), None))
    fetcher.wait(0)
    fetcher.close()
    fetcher.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert fetch(fetcher, "big").error is None  # it may be used again


def test_a_cap_holds_the_bytes_back(fetcher: FolderFetcher, folder: Path) -> None:
    (folder / "big").write_bytes(b"x" * SIZE)
    sink = Sink()
    fetcher.set_bandwidth(1.0)
    fetcher.start(Download(1, "file:big", (), sink, None))
    assert fetcher.wait(0.3) == []
    held = len(sink.content)
    assert held < SIZE / 2
    fetcher.set_bandwidth(None)
    assert ended(fetcher)[0].error is None
    assert len(sink.content) == SIZE


def test_others_that_ring_end_the_wait(fetcher: FolderFetcher) -> None:
    reader, writer = os.pipe()
    with (
        closing(os.fdopen(reader, "rb")) as bell,
        closing(os.fdopen(writer, "wb")) as ringing,
        fetcher.watching([bell]),
    ):
        ringing.write(b"!")
        ringing.flush()
        assert fetcher.wait(20.0) == []


def test_a_share_that_hangs_costs_its_files_and_not_the_others(folder: Path) -> None:
    (folder / "good").write_bytes(b"good")
    released = threading.Event()

    def opened(url: str) -> int:
        if url == "file:stuck":
            released.wait(20)
        return os.open(folder / "good", os.O_RDONLY)

    with closing(FolderFetcher(opened, stall_seconds=0.1)) as fetcher:
        for key in range(6):  # more than it has threads
            fetcher.start(Download(key, "file:stuck", (), Sink(), None))
        assert {one.error and one.error.code for one in ended(fetcher, 6)} == {"SRC_TIMEOUT"}
        assert fetch(fetcher, "good").error is None
        released.set()
