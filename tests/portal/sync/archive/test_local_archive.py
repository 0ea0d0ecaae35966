from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from portal.errors import SyncError
from portal.sync.archive.local import LocalArchive, LocalStage
from portal.sync.archive.names import document_folder, file_name, safe_name
from portal.sync.sources.rows import SourceFile
from portal.sync.transfer.incoming import Incoming


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(root: Path) -> LocalArchive:
    return LocalArchive(root)


def staged(archive: LocalArchive, folder: str, files: int = 1, owner: str = "w1") -> LocalStage:
    stage = archive.stage(folder, owner=owner)
    for number in range(files):
        stage.path(f"{number:02d}.txt").write_text(f"{folder} {number}")
    return stage


def keys(archive: LocalArchive) -> list[str]:
    return sorted(key for key, _ in archive.walk())


def everything_below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def code(error: pytest.ExceptionInfo[SyncError]) -> str:
    return error.value.code


# Publishing.


def test_a_document_appears_by_one_rename(
    archive: LocalArchive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = staged(archive, "s/2024-01/A", files=3)
    seen: list[int] = []
    rename = Path.rename

    def watched(self: Path, target: Path) -> Path:
        seen.append(len(everything_below(root / "s")) if (root / "s").exists() else 0)
        moved = rename(self, target)
        seen.append(len(everything_below(root / "s")))
        return moved

    monkeypatch.setattr(Path, "rename", watched)
    archive.publish([stage])
    assert seen == [0, 3]


def test_a_month_folder_that_was_cleared_away_is_made_again(
    archive: LocalArchive, root: Path
) -> None:
    archive.publish([staged(archive, "s/2024-01/A")])
    shutil.rmtree(root / "s")
    archive.publish([staged(archive, "s/2024-01/B")])
    assert keys(archive) == ["s/2024-01/B/00.txt"]


_PUBLISH = """
import sys
from pathlib import Path
from portal.sync.archive.local import LocalArchive

archive = LocalArchive(Path(sys.argv[1]))
stages = []
for number in range(int(sys.argv[2])):
    stage = archive.stage(f"s/2024-01/D{number}", owner="w1")
    stage.path("00.txt").write_text("x")
    stages.append(stage)
archive.publish(stages)
"""


@pytest.mark.parametrize("documents", [1, 20])
def test_bytes_are_on_disk_before_the_rename_and_the_parent_after_it(
    root: Path, tmp_path: Path, documents: int
) -> None:
    """One by one for a few files, the whole file system at once for many."""
    strace = shutil.which("strace")
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,syncfs,rename,renameat,renameat2"
    command = [strace or "", "-f", "-y", "-e", calls, "-o", str(trace)]
    if strace is None or subprocess.run([*command, "true"], check=False).returncode != 0:
        pytest.skip("strace is not there or may not trace")
    script = [sys.executable, "-c", _PUBLISH, str(root), str(documents)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    subprocess.run([*command, *script], check=True, env=environ)
    steps = [
        (match[1], match[2])
        for line in trace.read_text().splitlines()
        if (match := re.search(r"(fsync|fdatasync|syncfs|rename\w*)\((.*)", line))
    ]
    renames = [place for place, (name, _) in enumerate(steps) if name.startswith("rename")]
    assert len(renames) == documents
    before, after = steps[: renames[0]], steps[renames[-1] + 1 :]
    if documents == 1:
        flushed = [what for name, what in before if name == "fsync"]
        assert any("00.txt" in what for what in flushed)
        assert any(".incoming/w1/" in what and ".txt" not in what for what in flushed)
    else:
        assert "syncfs" in [name for name, _ in before]
    assert [name for name, what in after if f"{root}/s/2024-01>" in what] == ["fsync"]


# Removing.


def test_nothing_outside_is_opened(archive: LocalArchive, tmp_path: Path) -> None:
    archive.publish([staged(archive, "s/2024-01/A")])
    (tmp_path / "secret").write_text("s")
    (tmp_path / "archive" / "link").symlink_to(tmp_path / "secret")
    for key in ("../secret", "link", str(tmp_path / "secret")):
        with pytest.raises(SyncError) as error:
            archive.open(key)
        assert code(error) == "ARCHIVE_MISSING"


# What the file system refuses.


def test_a_write_that_is_refused_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
from pathlib import Path
from portal.errors import SyncError
from portal.sync.archive.local import LocalArchive
from portal.sync.sources.rows import SourceFile
from portal.sync.sources.rows import SourceFile
from portal.sync.transfer.incoming import Incoming

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
archive = LocalArchive(Path(sys.argv[1]))
stage = archive.stage("s/2024-01/A", owner="w1")
file = SourceFile("f", "attachment", 1, "a.txt", "txt", None, None, None, None, None)
incoming = Incoming(stage.path("00.txt"), file, limit=10_000)
try:
    incoming.write(b"x" * 2000)
    incoming.finish()
except SyncError as error:
    print(error.code, error.permanent)
incoming.close()
stage.close()
print(list(archive.walk()))
"""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "archive")],
        check=True, capture_output=True, text=True, env=environ,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["ARCHIVE_UNWRITABLE False", "[]"]


def mount_tiny(place: Path) -> bool:
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        return False
    command = [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_full_file_system_is_archive_full(tmp_path: Path) -> None:
    place = tmp_path / "tiny"
    if not mount_tiny(place):
        pytest.skip("mounting a small file system needs root")
    try:
        archive = LocalArchive(place)
        stage = archive.stage("s/2024-01/A", owner="w1")
        file = SourceFile("f", "attachment", 1, "a.txt", "txt", None, None, None, None, None)
        incoming = Incoming(stage.path("00.txt"), file, limit=1 << 20)
        with pytest.raises(SyncError) as error:
            incoming.write(b"x" * (1 << 18))
        assert code(error) == "ARCHIVE_FULL"
        assert not error.value.permanent
        incoming.close()
        stage.close()
        free = archive.free_bytes()
        assert free is not None
        assert 0 < free <= 64 * 1024
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file where the folder should be")
    archive = LocalArchive(tmp_path / "archive")
    with pytest.raises(SyncError) as error:
        archive.stage("s/2024-01/A", owner="w1")
    assert code(error) == "ARCHIVE_UNWRITABLE"
    assert error.value.params == {"detail": "Not a directory"}


def test_a_month_that_cannot_be_written_is_named(archive: LocalArchive, root: Path) -> None:
    stage = staged(archive, "s/2024-01/A")
    (root / "s").write_text("a file where the folder should be")
    with pytest.raises(SyncError) as error:
        archive.publish([stage])
    assert code(error) == "ARCHIVE_UNWRITABLE"


def test_free_space_is_known_before_the_folder_is_there(archive: LocalArchive) -> None:
    assert (archive.free_bytes() or 0) > 0


# Names.

TEXTS = st.text(max_size=200) | st.text("ab/\\.:-_=~@ \x00", max_size=6)


@given(TEXTS)
@example("")
@example("..")
@example("影" * 128)
@example("\ud800")
def test_a_name_is_one_safe_part_of_a_path(text: str) -> None:
    name = safe_name(text)
    assert name
    assert not name.startswith(".")
    assert not set(name) & set('/\\~@\x00 :*?"<>|')
    assert Path("a", name).name == name
    assert len(name.encode()) <= 128


@given(TEXTS, TEXTS)
@example("", "_")
@example("A/1", safe_name("A/1"))
@example("a.", "a")
def test_two_texts_never_share_a_name(one: str, two: str) -> None:
    assume(one != two)
    assert safe_name(one) != safe_name(two)


@given(TEXTS)
def test_no_text_is_the_name_of_another(text: str) -> None:
    """Such a pair is what somebody would write on purpose."""
    name = safe_name(text)
    assert name == text or safe_name(name) != name


@pytest.mark.parametrize("text", ["FYBX20240103000017", "报销单-2024(1)_v2.0"])
def test_an_ordinary_text_is_its_own_name(text: str) -> None:
    assert safe_name(text) == text


@given(
    one=st.tuples(TEXTS, TEXTS, st.integers(1, 9)), two=st.tuples(TEXTS, TEXTS, st.integers(1, 9))
)
@example(("A@B", "", 1), ("A", "B", 1))
@example(("A~2", "", 1), ("A", "", 2))
def test_no_two_claims_share_a_folder(one: tuple[str, str, int], two: tuple[str, str, int]) -> None:
    assume(one != two)

    def folder(claim: tuple[str, str, int]) -> str:
        image_no, resource_, fence = claim
        return document_folder(
            source="s", month="2024-01", resource=resource_, image_no=image_no, fence=fence
        )

    assert folder(one) != folder(two)


def test_the_longest_folder_there_may_be_can_be_made(tmp_path: Path) -> None:
    folder = document_folder(
        source="源" * 64, month="2024-01", resource="系" * 64, image_no="影" * 128, fence=2**31
    )
    (tmp_path / folder).mkdir(parents=True)
    name = file_name(position=99, category="attachment", suffix="s" * 32)
    (tmp_path / folder / name).write_text("x")
    assert len(f"{folder}/{name}") <= 700  # what the ledger keeps of a key


def test_file_names_tell_position_and_category() -> None:
    assert file_name(position=2, category="invoice", suffix="pdf") == "02-invoice.pdf"
    assert file_name(position=12, category="cover", suffix="") == "12-cover"
