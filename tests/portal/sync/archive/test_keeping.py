"""What is kept beside the documents for every host to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.errors import SyncError
from portal.sync.archive.base import Archive
from portal.sync.archive.keeping import forget, keep, place_of
from tests.portal.sync.archive.stores import Store, opened_store


@pytest.fixture
def archive(store: Store) -> Archive:
    return store.archive


def made(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "made"
    tmp_path.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_another_host_reads_it_until_it_is_forgotten(
    archive: Archive, store: Store, tmp_path: Path
) -> None:
    keep(archive, "exports/7-1", {"a.csv": made(tmp_path, "rows")}, owner="clerk")
    made(tmp_path, "changed afterwards")
    elsewhere = store.elsewhere()
    with elsewhere.open(f"{place_of('exports/7-1')}/a.csv") as stream:
        assert stream.read() == b"rows"
    forget(elsewhere, "exports/7-1")
    forget(elsewhere, "exports/7-1")
    with pytest.raises(SyncError, match="ARCHIVE_MISSING"):
        archive.open(f"{place_of('exports/7-1')}/a.csv")


def test_it_is_no_archived_file(archive: Archive, tmp_path: Path) -> None:
    keep(archive, "exports/7-1", {"a.csv": made(tmp_path, "rows")}, owner="clerk")
    assert list(archive.walk()) == []
    assert archive.sweep("clerk") == 0


def test_what_is_kept_already_stays(archive: Archive, tmp_path: Path) -> None:
    for text in ("first", "second"):
        keep(archive, "samples/1-abc", {"manifest": made(tmp_path, text)}, owner="clerk")
    with archive.open(f"{place_of('samples/1-abc')}/manifest") as stream:
        assert stream.read() == b"first"


@pytest.mark.s3
def test_what_an_earlier_try_left_undone_is_done(tmp_path: Path) -> None:
    """Of files sent to a bucket a clerk who dies leaves some."""
    with opened_store("s3", tmp_path) as store:
        files = {"0": made(tmp_path, "one"), "1": made(tmp_path / "two", "two")}
        keep(store.archive, "source-copies/x", {"0": files["0"]}, owner="clerk")
        keep(store.archive, "source-copies/x", files, owner="clerk")
        with store.archive.open(f"{place_of('source-copies/x')}/1") as stream:
            assert stream.read() == b"two"
        assert store.left_over() == []


def test_a_disk_that_refuses_is_told_and_nothing_is_left(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(SyncError, match=r"ARCHIVE_(UNWRITABLE|SCRATCH)"):
        keep(archive, "exports/7-1", {"a.csv": tmp_path / "not there"}, owner="clerk")
    assert not archive.present([place_of("exports/7-1")])
    assert archive.sweep("clerk") == 0
