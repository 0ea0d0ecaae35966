from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from portal.errors import NotAllowed, NotFound
from portal.models import (
    File,
    Overlap,
    Verification,
    VerificationKind,
    VerificationState,
    VersionFile,
)
from portal.services import batches, verification
from portal.services.runners import is_gone, this_runner
from portal.services.verification import Order
from portal.sync.archive.local import LocalArchive
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY, START, Scene
from tests.portal.services.archive_scene import (
    Checking,
    archived_batch,
    flip_a_bit,
    path_of,
    published_all,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(root: Path) -> LocalArchive:
    return LocalArchive(root)


@pytest.fixture
def checking(scene: Scene, archive: LocalArchive) -> Checking:
    return Checking(scene, archive)


def replaced(scene: Scene, archive: LocalArchive, number: int = 0) -> int:
    """A batch that replaced the document by one the source describes anew."""
    scene.advance(60)
    document = make_document(number, files=2, bill_no="new")
    batch_id = scene.listed_batch([document], Overlap.ALL)
    scene.settle(batch_id, *published_all(archive, *scene.claim(batch_id), text="new"))
    return batch_id


def test_a_whole_archive_is_clean(checking: Checking) -> None:
    archived_batch(checking.scene, checking.archive)
    steps: list[int] = []
    run = checking.run(progress=lambda now: steps.append(now.documents))
    assert run.is_clean
    assert (run.documents, run.files, run.looked_at, run.total) == (3, 6, 3, 3)
    assert run.bytes == sum(size for _, size in checking.archive.walk())
    assert steps[:3] == [1, 2, 3]


def test_an_empty_archive_is_clean(checking: Checking) -> None:
    assert checking.run().is_clean


def test_one_flipped_bit_is_found_and_nothing_else_is_blamed(
    checking: Checking, root: Path
) -> None:
    archived_batch(checking.scene, checking.archive)
    flip_a_bit(path_of(checking.scene, root, "FYBX00001"))
    run = checking.run()
    assert checking.codes(run) == [("ARCHIVE_DAMAGED", "FYBX00001")]
    assert (run.documents, run.files, run.findings) == (2, 5, 1)


@pytest.mark.parametrize("change", [b"", b"more"])
def test_a_file_of_another_size_is_damaged(checking: Checking, root: Path, change: bytes) -> None:
    archived_batch(checking.scene, checking.archive)
    path = path_of(checking.scene, root, "FYBX00000")
    path.write_bytes(path.read_bytes() + change if change else b"")
    assert checking.codes(checking.run()) == [("ARCHIVE_DAMAGED", "FYBX00000")]


def test_a_missing_file_is_found(checking: Checking, root: Path) -> None:
    archived_batch(checking.scene, checking.archive)
    path_of(checking.scene, root, "FYBX00002").unlink()
    assert checking.codes(checking.run()) == [("ARCHIVE_MISSING", "FYBX00002")]


def test_an_archived_document_without_files_is_found(checking: Checking) -> None:
    scene = checking.scene
    batch_id = archived_batch(scene, checking.archive)
    document = scene.document("FYBX00001")
    with scene.ledger.write() as session:
        session.execute(delete(File).where(File.document_id == document.id))
    run = checking.run(Order(batch_id=batch_id))
    (finding,) = checking.found(run)
    assert (finding.code, finding.image_no, finding.storage_key) == (
        "ARCHIVE_MISSING", "FYBX00001", document.folder,
    )  # fmt: skip
    assert (run.documents, run.files) == (2, 4)


def test_an_archived_documents_file_that_was_never_stored_is_found(checking: Checking) -> None:
    scene = checking.scene
    batch_id = archived_batch(scene, checking.archive)
    with scene.ledger.write() as session:
        file = session.get_one(File, scene.files(scene.document("FYBX00001").id)[0].id)
        file.storage_key = None
    run = checking.run(Order(batch_id=batch_id))
    assert checking.codes(run) == [("ARCHIVE_MISSING", "FYBX00001")]
    assert (run.documents, run.files) == (2, 5)


def test_a_folder_in_a_files_place_counts_as_missing(checking: Checking, root: Path) -> None:
    archived_batch(checking.scene, checking.archive)
    path = path_of(checking.scene, root, "FYBX00002")
    path.unlink()
    path.mkdir()
    assert checking.codes(checking.run()) == [("ARCHIVE_MISSING", "FYBX00002")]


# Scopes.


def pipe(path: Path) -> None:
    os.mkfifo(path)


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def folders_without_an_end(path: Path) -> None:
    """Folders within folders, until no path is long enough for the innermost."""
    with contextlib.chdir(path.parent):
        for name in (path.name, *["x" * 250] * 40):
            Path(name).mkdir()
            os.chdir(name)


PLANTED: dict[str, Callable[[Path], None]] = {
    "a pipe": pipe,
    "a link out of it": link("/etc/passwd"),
    "a link to nowhere": link("nowhere"),
    "a link in a circle": circle,
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
def test_what_is_no_file_is_extra_and_holds_nothing_up(
    checking: Checking, root: Path, plant: Callable[[Path], None]
) -> None:
    archived_batch(checking.scene, checking.archive)
    plant(root / "影像系统" / "planted")
    run = checking.run()
    assert [(finding.code, finding.storage_key) for finding in checking.found(run)] == [
        ("ARCHIVE_EXTRA", "影像系统/planted")
    ]
    assert (run.documents, run.state) == (3, VerificationState.ENDED)


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (pipe, "ARCHIVE_DAMAGED"),
        (link("/dev/zero"), "ARCHIVE_MISSING"),
        (link("nowhere"), "ARCHIVE_MISSING"),
        (circle, "ARCHIVE_DAMAGED"),
    ],
    ids=["pipe", "device", "nowhere", "circle"],
)
def test_what_is_no_file_in_a_files_place_is_damage(
    checking: Checking, root: Path, plant: Callable[[Path], None], code: str
) -> None:
    archived_batch(checking.scene, checking.archive)
    path = path_of(checking.scene, root, "FYBX00001")
    path.unlink()
    plant(path)
    assert checking.codes(checking.run()) == [(code, "FYBX00001")]


def test_folders_without_an_end_are_extra(checking: Checking, root: Path) -> None:
    archived_batch(checking.scene, checking.archive)
    folders_without_an_end(root / "影像系统" / "deep")
    (finding,) = checking.found(checking.run())
    assert finding.code == "ARCHIVE_EXTRA"
    assert finding.storage_key.startswith("影像系统/deep/xxx")


def test_names_nobody_can_read_are_extra_and_told_legibly(checking: Checking, root: Path) -> None:
    """As a tool leaves them that copied files from a machine with another encoding."""
    archived_batch(checking.scene, checking.archive)
    for name in ("发票.pdf".encode("gbk"), b"\x1b[2Jnothing\nto see"):
        (root / "影像系统" / os.fsdecode(name)).write_text("who?")
    told = {finding.storage_key for finding in checking.found(checking.run())}
    assert told == {
        r"影像系统/\xb7\xa2Ʊ.pdf",
        r"影像系统/\x1b[2Jnothing\nto see",
    }


def test_an_extra_file_is_found_but_not_what_is_on_its_way_in(
    checking: Checking, root: Path
) -> None:
    batch_id = archived_batch(checking.scene, checking.archive)
    checking.archive.stage("somewhere", owner="w1").path("01-cover.jpg").write_bytes(b"half")
    (root / "影像系统" / "stranger.txt").write_text("who?")
    run = checking.run()
    assert [(finding.code, finding.storage_key) for finding in checking.found(run)] == [
        ("ARCHIVE_EXTRA", "影像系统/stranger.txt")
    ]
    assert run.documents == 3
    assert checking.run(Order(batch_id=batch_id)).is_clean
    assert checking.run(Order(percent=100)).is_clean


def test_a_batch_answers_for_what_it_skipped_and_for_nothing_else(
    checking: Checking, root: Path
) -> None:
    scene = checking.scene
    archived_batch(scene, checking.archive)
    other = scene.listed_batch([make_document(0, files=2)])
    path_of(scene, root, "FYBX00001").unlink()
    run = checking.run(Order(batch_id=other))
    assert run.kind is VerificationKind.BATCH
    assert run.is_clean
    assert (run.documents, run.files) == (1, 2)
    path_of(scene, root, "FYBX00000").unlink()
    assert checking.codes(checking.run(Order(batch_id=other))) == [("ARCHIVE_MISSING", "FYBX00000")]


def test_a_month_is_that_of_the_collection_where_the_users_are(checking: Checking) -> None:
    archived_batch(checking.scene, checking.archive)
    assert checking.run(Order(month="2024-01")).documents == 3
    assert checking.run(Order(month="2024-02")).documents == 0


def test_a_sample_has_the_size_asked_for_and_can_be_repeated(checking: Checking) -> None:
    archived_batch(checking.scene, checking.archive, 40)

    def chosen(seed: int | None) -> tuple[int, list[int]]:
        sizes: list[int] = []
        run = checking.run(
            Order(percent=12.5, seed=seed), progress=lambda now: sizes.append(now.bytes)
        )
        assert (run.kind, run.documents, run.total) == (VerificationKind.SAMPLE, 5, 5)
        assert run.seed is not None
        return run.seed, sizes

    seed, sizes = chosen(None)
    assert chosen(seed) == (seed, sizes)
    assert checking.run(Order(percent=0.1)).documents == 1


def test_a_sample_takes_every_document_now_and_then(checking: Checking, root: Path) -> None:
    archived_batch(checking.scene, checking.archive, 10)
    for path in root.rglob("01-*"):
        path.unlink()
    seen = set()
    for seed in range(60):
        run = checking.run(Order(percent=10, seed=seed))
        ((_, image_no),) = checking.codes(run)
        seen.add(image_no)
    assert len(seen) == 10


@pytest.mark.parametrize("total", [1, 3, 7])
def test_the_parts_together_are_everything_once(checking: Checking, root: Path, total: int) -> None:
    archived_batch(checking.scene, checking.archive, 20)
    replaced(checking.scene, checking.archive)
    for path in root.rglob("*.txt"):
        flip_a_bit(path)
    for number in range(9):
        (root / f"extra-{number}").write_text("?")
    found: list[str] = []
    looked_at = 0
    for number in range(1, total + 1):
        run = checking.run(Order(part=(number, total)))
        looked_at += run.looked_at
        found += [finding.storage_key for finding in checking.found(run)]
    assert sorted(found) == sorted(key for key, _ in checking.archive.walk())
    assert looked_at == 21


# Earlier versions.


def test_earlier_versions_are_read_too_and_are_not_extra(checking: Checking, root: Path) -> None:
    scene = checking.scene
    archived_batch(scene, checking.archive, 2)
    old = path_of(scene, root, "FYBX00000")
    batch_id = replaced(scene, checking.archive)
    run = checking.run()
    assert run.is_clean
    assert (run.documents, run.files, run.looked_at, run.total) == (2, 6, 3, 3)
    flip_a_bit(old)
    (finding,) = checking.found(checking.run())
    assert (finding.code, finding.image_no) == ("ARCHIVE_DAMAGED", "FYBX00000")
    assert finding.storage_key == old.relative_to(root).as_posix()
    assert checking.run(Order(batch_id=batch_id)).is_clean


# Beside running batches.


def test_what_is_replaced_while_it_is_read_is_read_again(checking: Checking, root: Path) -> None:
    """The old files vanish in the same moment, as if somebody had moved them away."""
    scene = checking.scene
    archived_batch(scene, checking.archive, 2)

    def replace_the_second(now: Verification) -> None:
        if now.looked_at == 1 and not scene.versions(scene.document("FYBX00001").id):
            old = path_of(scene, root, "FYBX00001")
            replaced(scene, checking.archive, 1)
            old.unlink()
            with scene.ledger.write() as session:
                query = select(VersionFile).where(VersionFile.seq == 1)
                session.delete(session.scalars(query).one())

    run = checking.run(progress=replace_the_second)
    assert checking.codes(run) == []
    assert run.documents == 2


def test_what_is_published_and_about_to_be_committed_is_not_extra(checking: Checking) -> None:
    scene = checking.scene
    archived_batch(scene, checking.archive, 1)
    batch_id = scene.listed_batch([make_document(number) for number in range(1, 4)])
    results = published_all(checking.archive, *scene.claim(batch_id))
    assert checking.run().is_clean
    scene.settle(batch_id, *results)
    assert checking.run().is_clean
    assert checking.waited == 0


def test_what_is_being_thrown_away_is_not_extra(checking: Checking) -> None:
    scene = checking.scene
    batch_id = archived_batch(scene, checking.archive, 1)
    scene.listed_batch([make_document(1)])  # something still runs
    folder = f"{scene.document('FYBX00000').folder}~7"
    stage = checking.archive.stage(folder, owner="w1")
    stage.path("01-cover.txt").write_text("late")
    checking.archive.publish([stage])
    checking.meanwhile = lambda: checking.archive.remove(folder)
    assert checking.run().is_clean
    assert checking.waited == 1
    assert scene.counts(batch_id) == (1, 1, 0, 0)


def test_an_extra_file_is_blamed_also_while_a_batch_runs(checking: Checking, root: Path) -> None:
    checking.scene.listed_batch([make_document(1)])
    root.mkdir()
    (root / "stranger.txt").write_text("who?")
    assert checking.codes(checking.run()) == [("ARCHIVE_EXTRA", None)]


# Kept, interrupted, resumed.


class PowerCut(BaseException):
    """Whatever ends a process."""


def test_a_verification_is_kept(checking: Checking) -> None:
    archived_batch(checking.scene, checking.archive)
    run_id = checking.start()
    with checking.scene.ledger.read() as session:
        kept = session.get_one(Verification, run_id)
    assert (kept.state, kept.kind, kept.total) == (
        VerificationState.RUNNING, VerificationKind.ALL, 3,
    )  # fmt: skip
    assert (kept.started_by, kept.started_at, kept.runner) == (BY, START, this_runner())
    checking.scene.advance(5)
    checking.perform(run_id)
    with checking.scene.ledger.read() as session:
        kept = session.get_one(Verification, run_id)
    assert (kept.state, kept.ended_at) == (VerificationState.ENDED, checking.scene.now)
    assert (kept.documents, kept.files, kept.findings) == (3, 6, 0)


@pytest.mark.parametrize("order", [Order(), Order(percent=50, seed=3), Order(part=(1, 2))])
@pytest.mark.parametrize("after", [1, 110])
def test_an_interrupted_one_goes_on_and_sees_everything_once(
    checking: Checking, root: Path, order: Order, after: int
) -> None:
    archived_batch(checking.scene, checking.archive, 230, files=1)
    for path in root.rglob("*.txt"):
        flip_a_bit(path)
    (root / "extra.txt").write_text("?")
    whole = checking.run(order)
    steps = 0

    def cut(_: Verification) -> None:
        nonlocal steps
        steps += 1
        if steps == after:
            raise PowerCut

    with pytest.raises(PowerCut):
        checking.run(order, progress=cut)
    resumed = verification.resume(checking.scene.ledger, now=checking.scene.now)
    run = checking.perform(resumed)
    assert (run.looked_at, run.findings) == (whole.looked_at, whole.findings)
    assert [finding.storage_key for finding in checking.found(run)] == [
        finding.storage_key for finding in checking.found(whole)
    ]
    with pytest.raises(NotFound):
        verification.resume(checking.scene.ledger, now=checking.scene.now)


def test_one_whose_process_is_gone_is_noticed_by_a_later_run(checking: Checking) -> None:
    dead = checking.start()
    with checking.scene.ledger.write() as session:
        host = this_runner().split(":")[0]
        session.get_one(Verification, dead).runner = f"{host}:1:999"
    alive = checking.start()
    checking.start()
    with checking.scene.ledger.read() as session:
        assert session.get_one(Verification, dead).state is VerificationState.INTERRUPTED
        assert session.get_one(Verification, alive).state is VerificationState.RUNNING
    assert verification.resume(checking.scene.ledger, now=checking.scene.now) == dead


def test_a_process_elsewhere_is_gone_when_it_was_silent_for_long(checking: Checking) -> None:
    now = checking.scene.now
    elsewhere = "another-host:1:1"
    assert not is_gone(elsewhere, now, now)
    checking.scene.advance(3600)
    assert is_gone(elsewhere, now, checking.scene.now)
    assert not is_gone(this_runner(), now, checking.scene.now)


def test_one_that_was_taken_over_stops(checking: Checking) -> None:
    archived_batch(checking.scene, checking.archive, 1)
    run_id = checking.start()

    def take_over(_: Verification) -> None:
        with checking.scene.ledger.write() as session:
            session.get_one(Verification, run_id).runner = "another-host:1:1"

    with pytest.raises(NotAllowed):
        checking.perform(run_id, progress=take_over)


# Counts.


def test_counts_agree_after_everything_that_changes_them(checking: Checking) -> None:
    scene = checking.scene
    first = archived_batch(scene, checking.archive)
    replaced(scene, checking.archive)
    scene.listed_batch([make_document(number, files=2) for number in range(5)])
    scene.do(batches.delete, first)
    run = checking.run(Order(counters=True))
    assert run.is_clean
    assert (run.kind, run.looked_at, run.total) == (VerificationKind.COUNTERS, 3, 3)


@pytest.mark.parametrize(
    "counter", ["total", "synced", "skipped", "failed", "stored_files", "stored_bytes"]
)
def test_a_wrong_count_is_found(checking: Checking, counter: str) -> None:
    scene = checking.scene
    batch_id = archived_batch(scene, checking.archive)
    other = archived_batch(scene, checking.archive)
    with scene.ledger.write() as session:
        part = session.merge(scene.slice(batch_id))
        setattr(part, counter, getattr(part, counter) + 1)
    (finding,) = checking.found(checking.run(Order(counters=True)))
    batch = scene.batch(batch_id)
    assert (finding.code, finding.storage_key) == (
        "LEDGER_COUNT", f"{batch.batch_no}/2024-01/{counter}",
    )  # fmt: skip
    kept = getattr(batch, counter)
    assert finding.params == {"kept": kept + 1, "counted": kept}
    assert checking.run(Order(counters=True, batch_id=other)).is_clean
