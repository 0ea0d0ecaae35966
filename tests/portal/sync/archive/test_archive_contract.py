"""What every archive promises, whatever it is kept on."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from portal.errors import SyncError
from portal.sync.archive.names import document_folder, file_name
from portal.sync.archive.reading import damage_of
from portal.sync.viewing.held_file import hold
from tests.portal.sync.archive.stores import Store, staged

FOLDER = "s/2024-01/A"
ODD_NAMES = (
    "源 系统/2024-01/报销单 (1)+100%25~2",
    "s/2024-01/😀=a&b;c,d!'$#?",
    "s/2024-01/" + "影" * 60 + "@" + "源" * 20,
    document_folder(
        source="源" * 64, month="2024-01", resource="系" * 64, image_no="影" * 128, fence=2**31
    ),
)


def code(error: pytest.ExceptionInfo[SyncError]) -> str:
    return error.value.code


def read(store: Store, key: str) -> bytes:
    with store.archive.open(key) as file:
        return file.read()


def test_nothing_is_seen_of_a_document_before_it_is_published(store: Store) -> None:
    stage = store.staged(FOLDER, files=2)
    assert store.keys() == []
    with pytest.raises(SyncError) as error:
        store.archive.open(f"{FOLDER}/00.txt")
    assert code(error) == "ARCHIVE_MISSING"
    store.archive.publish([stage])
    assert store.keys() == [f"{FOLDER}/00.txt", f"{FOLDER}/01.txt"]
    assert read(store, f"{FOLDER}/01.txt") == b"s/2024-01/A 1"


def test_a_group_is_published_together(store: Store) -> None:
    store.archive.publish([store.staged(f"s/2024-01/{name}", files=5) for name in "ABCDEF"])
    assert len(store.keys()) == 30
    assert store.left_over() == []


def test_an_empty_group_is_published(store: Store) -> None:
    store.archive.publish([])
    assert store.keys() == []


@pytest.mark.parametrize("folder", ODD_NAMES, ids=["space+%~", "emoji", "long", "longest"])
def test_every_name_comes_back_as_it_was(store: Store, folder: str) -> None:
    name = file_name(position=99, category="attachment", suffix="s" * 20)
    store.archive.publish([staged(store.archive, folder, {name: b"x" * 10})])
    assert list(store.archive.walk()) == [(f"{folder}/{name}", 10)]
    assert store.archive.present([folder]) == {folder}
    assert read(store, f"{folder}/{name}") == b"x" * 10
    store.archive.remove(folder)
    assert store.keys() == []


def test_what_was_published_is_not_thrown_away_by_closing(store: Store) -> None:
    stage = store.staged(FOLDER)
    store.archive.publish([stage])
    stage.close()
    assert len(store.keys()) == 1


def test_closing_throws_away_what_was_not_published(store: Store) -> None:
    stage = store.staged(FOLDER)
    stage.close()
    stage.close()
    assert store.left_over() == []
    assert store.keys() == []


def test_a_folder_that_is_there_is_never_overwritten(store: Store) -> None:
    store.archive.publish([store.staged(FOLDER)])
    with pytest.raises(SyncError) as error:
        store.archive.publish([store.staged(FOLDER, owner="w2", text="other")])
    assert code(error) in ("ARCHIVE_UNWRITABLE", "ARCHIVE_TAKEN")
    assert error.value.problem.where == "archive"
    assert read(store, f"{FOLDER}/00.txt") == b"s/2024-01/A 0"


def test_folders_are_removed_whole_and_their_absence_is_fine(store: Store) -> None:
    store.archive.publish([store.staged(f"s/2024-01/{name}", files=2) for name in "ABC"])
    store.archive.remove("s/2024-01/A", "s/2024-01/C")
    store.archive.remove("s/2024-01/A")
    store.archive.remove()
    assert store.keys() == ["s/2024-01/B/00.txt", "s/2024-01/B/01.txt"]


def test_a_folder_is_not_taken_for_another_that_begins_like_it(store: Store) -> None:
    store.archive.publish([store.staged(f"{FOLDER}~2")])
    assert store.archive.present([FOLDER]) == frozenset()
    store.archive.remove(FOLDER)
    assert store.archive.present([FOLDER, f"{FOLDER}~2"]) == {f"{FOLDER}~2"}


@pytest.mark.parametrize("folder", ["", ".", "..", "../..", "s/..", "/", "s/../../other"])
def test_nothing_outside_and_not_the_root_is_removed(store: Store, folder: str) -> None:
    store.archive.publish([store.staged(FOLDER)])
    with pytest.raises(SyncError):
        store.archive.remove(folder)
    assert len(store.keys()) == 1


@pytest.mark.parametrize("key", ["../secret", "s/../../secret", f"{FOLDER}/nothing", "s"])
def test_what_is_not_an_archived_file_is_missing(store: Store, key: str) -> None:
    store.archive.publish([store.staged(FOLDER)])
    with pytest.raises(SyncError) as error:
        store.archive.open(key)
    assert code(error) == "ARCHIVE_MISSING"


def test_what_lies_there_is_held(store: Store) -> None:
    store.archive.publish([store.staged(FOLDER)])
    assert [store.archive.holds(key) for key in (f"{FOLDER}/00.txt", f"{FOLDER}/01.txt")] == [
        True,
        False,
    ]


def test_a_sweep_removes_only_what_the_slot_left(store: Store) -> None:
    store.archive.publish([store.staged(FOLDER)])
    for owner in ("w1", "w1", "w2"):
        store.staged("s/2024-01/B", owner=owner)
    assert store.archive.sweep("w1") == 2
    assert store.archive.sweep("w1") == 0
    assert store.keys() == [f"{FOLDER}/00.txt"]
    assert len(store.left_over()) == 1


def test_who_has_something_unpublished_is_known(store: Store) -> None:
    assert store.archive.owners() == []
    store.staged(FOLDER, owner="w1")
    store.staged("s/2024-01/B", owner="w2")
    assert store.archive.owners() == ["w1", "w2"]
    store.archive.sweep("w1")
    assert store.archive.owners() == ["w2"]


def test_a_file_is_read_from_any_place(store: Store) -> None:
    content = b"".join(number.to_bytes(4, "big") for number in range(1_000_000))
    store.archive.publish([staged(store.archive, FOLDER, {"a": content})])
    with store.archive.open(f"{FOLDER}/a") as file:
        assert file.seekable()
        assert file.read(10) == content[:10]
        for place in (3_999_990, 1_048_570, 0, 2_500_001, 4_000_000, 5_000_000):
            file.seek(place)
            assert file.tell() == place
            assert file.read(50_000) == content[place : place + 50_000]
        file.seek(0)
        assert file.read() == content


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_file_of_any_size_comes_back(store: Store, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    store.archive.publish([staged(store.archive, FOLDER, {"a": content})])
    assert list(store.archive.walk()) == [(f"{FOLDER}/a", size)]
    assert read(store, f"{FOLDER}/a") == content
    digest = hashlib.sha256(content).hexdigest()
    assert damage_of(store.archive, f"{FOLDER}/a", size, digest) is None
    assert damage_of(store.archive, f"{FOLDER}/a", size, "0" * 64) == "ARCHIVE_DAMAGED"
    assert damage_of(store.archive, f"{FOLDER}/b", size, digest) == "ARCHIVE_MISSING"


def test_a_file_can_be_held_to_be_looked_at(store: Store) -> None:
    content = b"0123456789" * 300_000
    store.archive.publish([staged(store.archive, FOLDER, {"a": content})])
    digest = hashlib.sha256(content).hexdigest()
    with hold(store.archive, f"{FOLDER}/a", digest) as held:
        assert (held.size, held.sha256) == (len(content), digest)
        assert held.file.fileno() >= 0
        assert held.file.read() == content
    with pytest.raises(SyncError) as error, hold(store.archive, f"{FOLDER}/a", "0" * 64):
        pass
    assert code(error) == "ARCHIVE_DAMAGED"


def test_a_probe_leaves_nothing(store: Store) -> None:
    store.archive.probe(0)
    store.archive.probe(1 << 20)
    assert store.keys() == []
    assert store.left_over() == []


def test_a_probe_for_more_than_there_is_says_what_is_full(store: Store) -> None:
    with pytest.raises(SyncError) as error:
        store.archive.probe(1 << 60)
    assert error.value.problem.where == "archive"


def test_tidying_takes_nothing_that_is_published_or_under_way(store: Store) -> None:
    store.archive.publish([store.staged(FOLDER)])
    under_way = store.staged("s/2024-01/B")
    store.archive.probe(0)
    store.archive.tidy(datetime.now(UTC))
    store.archive.publish([under_way])
    assert store.keys() == [f"{FOLDER}/00.txt", "s/2024-01/B/00.txt"]
