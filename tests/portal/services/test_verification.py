from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete

from portal.models import File
from portal.services.verification import Verification, archived_documents, verify
from portal.sync.archive.local import LocalArchive
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene
from tests.portal.publishing import published


@pytest.fixture
def archive(tmp_path: Path) -> LocalArchive:
    return LocalArchive(tmp_path / "archive")


def archived_batch(scene: Scene, archive: LocalArchive, count: int = 3) -> int:
    batch_id = scene.listed_batch([make_document(number, files=2) for number in range(count)])
    scene.settle(batch_id, *(published(archive, claim) for claim in scene.claim(batch_id)))
    return batch_id


def path_of(scene: Scene, tmp_path: Path, image_no: str) -> Path:
    key = scene.files(scene.document(image_no).id)[0].storage_key
    assert key is not None
    return tmp_path / "archive" / key


def codes(seen: Verification) -> list[tuple[str, str | None]]:
    return [(finding.code, finding.image_no) for finding in seen.findings]


def test_a_whole_archive_is_clean(scene: Scene, archive: LocalArchive) -> None:
    archived_batch(scene, archive)
    steps: list[int] = []
    seen = verify(scene.ledger, archive, progress=lambda now: steps.append(now.documents))
    assert seen.is_clean
    assert (seen.documents, seen.files) == (3, 6)
    assert seen.bytes == sum(size for _, size in archive.walk())
    assert steps == [1, 2, 3, 3]
    assert archived_documents(scene.ledger) == 3


def test_an_empty_archive_is_clean(scene: Scene, archive: LocalArchive) -> None:
    assert verify(scene.ledger, archive).is_clean


def test_one_flipped_bit_is_found_and_nothing_else_is_blamed(
    scene: Scene, archive: LocalArchive, tmp_path: Path
) -> None:
    archived_batch(scene, archive)
    path = path_of(scene, tmp_path, "FYBX00001")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    seen = verify(scene.ledger, archive)
    assert codes(seen) == [("ARCHIVE_DAMAGED", "FYBX00001")]
    assert (seen.documents, seen.files) == (2, 5)


@pytest.mark.parametrize("change", [b"", b"more"])
def test_a_file_of_another_size_is_damaged(
    scene: Scene, archive: LocalArchive, tmp_path: Path, change: bytes
) -> None:
    archived_batch(scene, archive)
    path = path_of(scene, tmp_path, "FYBX00000")
    path.write_bytes(path.read_bytes() + change if change else b"")
    assert codes(verify(scene.ledger, archive)) == [("ARCHIVE_DAMAGED", "FYBX00000")]


def test_a_missing_file_is_found(scene: Scene, archive: LocalArchive, tmp_path: Path) -> None:
    archived_batch(scene, archive)
    path_of(scene, tmp_path, "FYBX00002").unlink()
    assert codes(verify(scene.ledger, archive)) == [("ARCHIVE_MISSING", "FYBX00002")]


def test_an_archived_document_without_files_is_found(scene: Scene, archive: LocalArchive) -> None:
    batch_id = archived_batch(scene, archive)
    document = scene.document("FYBX00001")
    with scene.ledger.write() as session:
        session.execute(delete(File).where(File.document_id == document.id))
    seen = verify(scene.ledger, archive, batch_id=batch_id)
    (finding,) = seen.findings
    assert (finding.code, finding.image_no, finding.storage_key) == (
        "ARCHIVE_MISSING", "FYBX00001", document.folder,
    )  # fmt: skip
    assert (seen.documents, seen.files) == (2, 4)


def test_an_archived_documents_file_that_was_never_stored_is_found(
    scene: Scene, archive: LocalArchive
) -> None:
    batch_id = archived_batch(scene, archive)
    with scene.ledger.write() as session:
        file = session.get_one(File, scene.files(scene.document("FYBX00001").id)[0].id)
        file.storage_key = None
    seen = verify(scene.ledger, archive, batch_id=batch_id)
    assert codes(seen) == [("ARCHIVE_MISSING", "FYBX00001")]
    assert (seen.documents, seen.files) == (2, 5)


def test_a_folder_in_a_files_place_counts_as_missing(
    scene: Scene, archive: LocalArchive, tmp_path: Path
) -> None:
    archived_batch(scene, archive)
    path = path_of(scene, tmp_path, "FYBX00002")
    path.unlink()
    path.mkdir()
    assert codes(verify(scene.ledger, archive)) == [("ARCHIVE_MISSING", "FYBX00002")]


def test_an_extra_file_is_found_but_not_what_is_on_its_way_in(
    scene: Scene, archive: LocalArchive, tmp_path: Path
) -> None:
    batch_id = archived_batch(scene, archive)
    archive.stage("somewhere", owner="w1").path("01-cover.jpg").write_bytes(b"half")
    (tmp_path / "archive" / "影像系统" / "stranger.txt").write_text("who?")
    seen = verify(scene.ledger, archive)
    assert [(finding.code, finding.storage_key) for finding in seen.findings] == [
        ("ARCHIVE_EXTRA", "影像系统/stranger.txt")
    ]
    assert seen.documents == 3
    assert verify(scene.ledger, archive, batch_id=batch_id).is_clean


def test_a_batch_answers_for_what_it_skipped_and_for_nothing_else(
    scene: Scene, archive: LocalArchive, tmp_path: Path
) -> None:
    archived_batch(scene, archive)
    other = scene.listed_batch([make_document(0, files=2)])
    path_of(scene, tmp_path, "FYBX00001").unlink()
    seen = verify(scene.ledger, archive, batch_id=other)
    assert seen.is_clean
    assert (seen.documents, seen.files) == (1, 2)
    path_of(scene, tmp_path, "FYBX00000").unlink()
    assert codes(verify(scene.ledger, archive, batch_id=other)) == [
        ("ARCHIVE_MISSING", "FYBX00000")
    ]
