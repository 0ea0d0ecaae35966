"""A sample from the sealed manifest to the statement, on every database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from portal.errors import NotAllowed, NotFound, SyncError
from portal.models import AuditEvent, Document, SampleDocument, SampleState, Verdict
from portal.services import comparing, export_samples, manifests, samples, source_copies
from portal.services.export_tables import Kind, Wanted
from portal.services.manifest_lines import read_line
from portal.services.sample_words import statement
from portal.sync.archive.local import LocalArchive
from portal.sync.sources.rows import SourceDocument
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY, SHANGHAI, Scene
from tests.portal.services.archive_scene import flip_a_bit, published_all
from tests.portal.services.archive_scene import path_of as archived_path
from tests.portal.services.sample_scene import NONCE, Sampling, file_server, opened_source


@pytest.fixture
def archive(tmp_path: Path) -> LocalArchive:
    return LocalArchive(tmp_path / "archive")


@pytest.fixture
def sampling(scene: Scene, tmp_path: Path) -> Sampling:
    return Sampling(scene, tmp_path / "home")


@pytest.fixture
def documents(scene: Scene, archive: LocalArchive) -> list[SourceDocument]:
    """Twelve of two types in the archive; one is failed, one of another month, one of another."""
    kinds = ["FYBX"] * 8 + ["CLBX"] * 4
    listed = [
        make_document(n, files=2, bill_type_code=kind, amount=Decimal(n))
        for n, kind in enumerate(kinds)
    ]
    listed[11] = make_document(11, files=2, bill_type_code="CLBX", org_code="1002", resource="A\tB")
    batch_id = scene.listed_batch([*listed, make_document(99)])
    claims = scene.claim(batch_id)
    scene.settle(batch_id, *published_all(archive, *claims[:12]))
    return listed


def events(scene: Scene, action: str) -> list[AuditEvent]:
    with scene.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
        return list(session.scalars(query))


def rows(scene: Scene, sample_id: int) -> list[SampleDocument]:
    with scene.ledger.read() as session:
        query = samples.documents_of(sample_id).order_by(SampleDocument.position)
        return list(session.scalars(query))


def test_the_manifest_names_what_is_archived_in_order(
    scene: Scene,
    sampling: Sampling,
    documents: list[SourceDocument],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(manifests, "_PAGE", 5)
    sample = sampling.find(sampling.sealed())
    path = sampling.manifest(sample.id)
    body = path.read_bytes()
    assert hashlib.sha256(body).hexdigest() == sample.manifest_sha256
    assert (sample.documents, sample.manifest_bytes) == (12, len(body))
    assert sample.strata == {"FYBX": 8, "CLBX": 4}
    head, *lines = body.splitlines(keepends=True)
    assert head.decode() == "imgmig-manifest-1\t影像系统\t2024-01\t\t\n"
    read = [read_line(line) for line in lines]
    identities = [(document.resource, document.image_no) for document in read]
    assert identities == sorted((each.resource, each.image_no) for each in documents)
    assert b"A%09B\tFYBX00011" in body
    for document in read:
        files = scene.files(scene.document(document.image_no).id)
        assert [(file.file_id, file.sha256, file.size) for file in document.files] == [
            (file.file_id, file.sha256, file.size) for file in files
        ]
    (event,) = events(scene, "sample.seal")
    assert event.detail is not None
    assert event.detail["sha256"] == sample.manifest_sha256


def test_organisation_and_type_narrow_it(
    scene: Scene, sampling: Sampling, documents: list[SourceDocument]
) -> None:
    assert sampling.find(sampling.sealed(bill_type_code="CLBX")).documents == 4
    assert sampling.find(sampling.sealed(org_code="1002")).documents == 1
    assert sampling.find(sampling.sealed(month="2024-02")).documents == 0
    with pytest.raises(NotAllowed):
        sampling.asked(month="2024-13")


def test_a_sealed_manifest_stays_whatever_is_made_afterwards(
    scene: Scene, sampling: Sampling, documents: list[SourceDocument]
) -> None:
    sample_id = sampling.sealed()
    before = sampling.find(sample_id)
    with scene.ledger.write() as session:
        session.execute(
            update(Document).where(Document.image_no == "FYBX00003").values(bill_type_code="CLBX")
        )
    made = sampling.made(sample_id)
    assert made.sha256 != before.manifest_sha256
    with scene.ledger.write() as session:
        assert not samples.seal(session, sample_id, made, by=BY, now=scene.now)
    after = sampling.find(sample_id)
    assert after.manifest_sha256 == before.manifest_sha256
    assert sampling.manifest(sample_id).is_file()
    assert len(events(scene, "sample.seal")) == 1


def test_one_that_is_stopped_leaves_no_file(
    scene: Scene, sampling: Sampling, documents: list[SourceDocument]
) -> None:
    def stop(_done: int) -> None:
        raise KeyboardInterrupt

    sample = sampling.find(sampling.asked())
    with pytest.raises(KeyboardInterrupt):
        manifests.make(scene.ledger, sample, sampling.home, zone=SHANGHAI, told=stop)
    assert not list((sampling.home / "cache" / "samples").iterdir())


def test_a_sample_is_drawn_once_and_only_from_what_was_sealed(
    scene: Scene, sampling: Sampling, documents: list[SourceDocument]
) -> None:
    sample_id = sampling.asked()
    with pytest.raises(NotAllowed, match="封存"):
        sampling.draw(sample_id)
    sample_id = sampling.sealed()
    for nonce, size, limit in (
        ("short", "3", ""),
        ("with\x00control", "3", ""),
        (NONCE, "", ""),
        (NONCE, "3", "5"),
        (NONCE, "0", ""),
        (NONCE, "³", ""),
        (NONCE, "many", ""),
        (NONCE, "", "nan"),
        (NONCE, "", "90"),
    ):
        with pytest.raises(NotAllowed):
            sampling.draw(sample_id, nonce=nonce, size=size, limit=limit)
    sample = sampling.draw(sample_id, nonce=f"  {NONCE} ", size="6")
    assert (sample.state, sample.size, sample.nonce) == (SampleState.DRAWN, 6, NONCE)
    drawn = rows(scene, sample_id)
    assert [row.position for row in drawn] == [1, 2, 3, 4, 5, 6]
    assert [row.key for row in drawn] == sorted(row.key for row in drawn)
    assert sorted(row.bill_type_code for row in drawn) == ["CLBX"] * 2 + ["FYBX"] * 4
    for row in drawn:
        assert row.document_id == scene.document(row.image_no).id
    with pytest.raises(NotAllowed, match="抽过样"):
        sampling.draw(sample_id, nonce="another nonce")
    (event,) = events(scene, "sample.draw")
    assert event.detail is not None
    assert (event.detail["nonce"], event.detail["size"]) == (NONCE, 6)


def test_the_size_may_come_from_a_limit(
    scene: Scene, sampling: Sampling, documents: list[SourceDocument]
) -> None:
    sample = sampling.draw(sampling.sealed(), size="", limit="25")
    assert (sample.most_wrong, sample.size) == (3, 6)
    everything = sampling.draw(sampling.sealed(), size="500")
    assert everything.size == 12


def test_a_manifest_that_was_changed_or_is_gone_is_not_drawn_from(
    scene: Scene, sampling: Sampling, documents: list[SourceDocument]
) -> None:
    sample_id = sampling.sealed()
    path = sampling.manifest(sample_id)
    path.write_bytes(path.read_bytes().replace(b"FYBX00003", b"FYBX00004"))
    with pytest.raises(SyncError, match="SAMPLE_MANIFEST"):
        sampling.draw(sample_id)
    path.unlink()
    with pytest.raises(SyncError, match="SAMPLE_MANIFEST"):
        sampling.draw(sample_id)
    assert sampling.find(sample_id).state is SampleState.SEALED


def test_an_empty_manifest_draws_nothing(scene: Scene, sampling: Sampling) -> None:
    with pytest.raises(NotAllowed, match="没有单据"):
        sampling.draw(sampling.sealed())


def test_verdicts_change_until_it_closes_and_never_afterwards(
    scene: Scene, sampling: Sampling, documents: list[SourceDocument]
) -> None:
    sample_id = sampling.drawn(size="4")
    sampling.judge(sample_id, 1, Verdict.MATCH)
    sampling.judge(sample_id, 1, Verdict.DIFFER, "金额不同")
    sampling.judge(sample_id, 1, Verdict.DIFFER, "金额不同")
    sampling.judge(sample_id, 1, Verdict.DIFFER, "金额与源端不同")
    told = [
        (event.old, event.new, (event.detail or {}).get("remark"))
        for event in events(scene, "sample.judge")
    ]
    assert told == [
        (None, "match", None),
        ("match", "differ", "金额不同"),
        ("differ", "differ", ["金额不同", "金额与源端不同"]),
    ]
    with pytest.raises(NotAllowed, match="还有 3 份"):
        sampling.close(sample_id)
    with pytest.raises(NotFound):
        sampling.judge(sample_id, 5, Verdict.MATCH)
    with pytest.raises(NotAllowed, match="备注"):
        sampling.judge(sample_id, 2, Verdict.MATCH, "x" * 2001)
    sampling.judge(sample_id, 2, Verdict.UNDECIDED, "看不清")
    sampling.judge(sample_id, 3, Verdict.MATCH)
    sampling.judge(sample_id, 4, Verdict.MATCH)
    closed = sampling.close(sample_id)
    assert (closed.found, closed.undecided, closed.bound) == (2, 1, 10)
    assert "不超过 10 份（83.34%）" in statement(closed, "zh")
    assert "no more than 10 documents of the manifest (83.34%)" in statement(closed, "en")
    kept = exported(scene, export_samples.DOCUMENTS, sample_id, "zh")
    row = rows(scene, sample_id)[0]
    compared = {"equal": True, "files": [], "listed": True, "copies": "x"}
    refused: list[Callable[[Any], object]] = [
        lambda s: samples.judge(s, sample_id, 1, Verdict.MATCH, "", by=BY, now=scene.now),
        lambda s: samples.close(s, sample_id, by=BY, now=scene.now),
        lambda s: samples.ask_comparison(s, row, by=BY, now=scene.now),
        lambda s: samples.keep_comparison(s, row.id, compared, by=BY, now=scene.now),
        lambda s: samples.keep_drawn(
            s, sample_id, NONCE, [], most_wrong=None, by=BY, now=scene.now
        ),
    ]
    for change in refused:
        with pytest.raises(NotAllowed, match="已结束"), scene.ledger.write() as session:
            change(session)
    assert exported(scene, export_samples.DOCUMENTS, sample_id, "zh") == kept
    assert len(events(scene, "sample.close")) == 1


def exported(scene: Scene, kind: Kind, sample_id: int, language: str) -> list[dict[str, Any]]:
    """The rows of an export of one sample, by the names of the columns."""
    wanted = Wanted.of({"sample": [str(sample_id)]}, SHANGHAI)
    with scene.ledger.read() as session:
        return [
            {
                column.name: column.shown(row, language) if column.shown else column.value(row)
                for column in kind.columns
            }
            for page in kind.pages(session, wanted)
            for row in page
        ]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_record_has_a_value_under_every_heading(
    scene: Scene, sampling: Sampling, documents: list[SourceDocument], language: str
) -> None:
    sample_id = sampling.drawn(size="2")
    for position in (1, 2):
        sampling.judge(sample_id, position, Verdict.MATCH, "好")
    sampling.close(sample_id)
    (record,) = exported(scene, export_samples.RECORDS, sample_id, language)
    listed = exported(scene, export_samples.DOCUMENTS, sample_id, language)
    assert [row["position"] for row in listed] == [1, 2]
    assert {row["remark"] for row in listed} == {"好"}
    assert record["statement"] == statement(sampling.find(sample_id), language)
    assert record["size"] == 2


Compare = Callable[[SampleDocument, list[SourceDocument], dict[str, bytes]], dict[str, Any]]


@pytest.fixture
def compare(scene: Scene, sampling: Sampling, archive: LocalArchive) -> Compare:
    """Compare a drawn document with a source that lists these and has these bodies."""

    def compared(
        row: SampleDocument, listed: list[SourceDocument], bodies: dict[str, bytes]
    ) -> dict[str, Any]:
        with scene.ledger.read() as session:
            known = comparing.subject(session, row)
        folder = source_copies.new_folder(sampling.home, "1-1-1")
        with file_server(bodies) as address:
            opened = opened_source(listed, address)
            try:
                page = opened.source.page
                return comparing.compare(
                    known, archive, opened, page, folder, told=lambda _done, _total: None
                )
            finally:
                opened.close()

    return compared


def test_what_differs_between_source_archive_and_seal_is_found(
    scene: Scene,
    sampling: Sampling,
    compare: Compare,
    documents: list[SourceDocument],
    tmp_path: Path,
) -> None:
    row = rows(scene, sampling.drawn(size="1"))[0]
    files = scene.files(int(row.document_id or 0))
    root = tmp_path / "archive"
    bodies = {file.file_id: (root / str(file.storage_key)).read_bytes() for file in files}
    same = compare(row, documents, bodies)
    assert same["listed"]
    assert same["equal"]
    assert [file["equal"] for file in same["files"]] == [True, True]
    kept = source_copies.root(sampling.home) / same["copies"] / "0"
    assert kept.read_bytes() == bodies[files[0].file_id]

    other = {**bodies, files[1].file_id: b"something else\n"}
    differs = compare(row, documents, other)
    assert not differs["equal"]
    assert [file["equal"] for file in differs["files"]] == [True, False]

    del other[files[1].file_id]
    missing = compare(row, documents, other)
    assert missing["files"][1]["source"]["code"] == "SRC_NOT_FOUND"

    gone = [each for each in documents if each.image_no != row.image_no]
    unlisted = compare(row, gone, bodies)
    assert not unlisted["listed"]
    assert not unlisted["equal"]
    assert all(file["equal"] for file in unlisted["files"])

    flip_a_bit(archived_path(scene, tmp_path / "archive", row.image_no))
    damaged = compare(row, documents, bodies)
    assert [file["equal"] for file in damaged["files"]] == [False, True]


def test_copies_go_after_a_day(sampling: Sampling, scene: Scene) -> None:
    folder = source_copies.new_folder(sampling.home, "7-1-1")
    (folder / "0").write_bytes(b"x")
    made = scene.now.fromtimestamp(folder.stat().st_mtime, tz=scene.now.tzinfo)
    assert source_copies.sweep(sampling.home, now=made + timedelta(hours=23)) == 0
    assert folder.is_dir()
    assert source_copies.sweep(sampling.home, now=made + timedelta(hours=25)) == 1
    assert not folder.exists()
