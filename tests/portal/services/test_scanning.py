"""Scans by the listing alone, beside what discovery and transfer make of the same documents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from portal.errors import SyncError
from portal.models import Batch, DataSource, Overlap
from portal.services import scanning, scans
from portal.services.opening import OpenSource
from portal.services.scanning import Findings
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.download import Downloader, DownloadOptions
from tests.portal.fake_source import FakeSource, make_document, make_file
from tests.portal.ledger_scene import Scene, stored


def scanned(
    scene: Scene, batch_id: int, source: FakeSource, home: Path, told: list[int] | None = None
) -> Findings:
    with scene.ledger.read() as session:
        plan = scanning.plan_of(session.get_one(Batch, batch_id), sample=0, seed=1)
    opened = OpenSource(source, Downloader(DownloadOptions()))
    try:
        return scanning.scan(
            scene.ledger,
            opened,
            plan,
            home,
            progress=lambda done, _total: told.append(done) if told is not None else None,
        )
    finally:
        opened.close()


def test_each_document_counts_once_at_its_first_cause(scene: Scene, tmp_path: Path) -> None:
    batch_id = scene.add_batch(start=False)
    heavy = make_file(3, 1, size=10**12)
    documents = [
        make_document(1),
        make_document(2, problem=SyncError("META_NO_FILES")),
        make_document(3),
        make_document(4),
    ]
    documents[2] = replace(documents[2], files=(heavy, heavy))
    told: list[int] = []
    found = scanned(scene, batch_id, FakeSource(documents), tmp_path, told)
    assert (found.documents, found.archived, found.sampled) == (4, 0, 0)
    assert {code: cause.documents for (code, _), cause in found.causes.items()} == {
        "META_NO_FILES": 1,
        "FILE_TOO_LARGE": 1,
    }
    assert told == sorted(told)
    assert scene.items(batch_id) == {}


def test_what_is_archived_already_is_passed_over_as_the_batch_will(
    scene: Scene, tmp_path: Path
) -> None:
    documents = [make_document(number) for number in range(4)]
    earlier = scene.listed_batch(documents[:3], Overlap.MISSING)
    scene.settle(earlier, *map(stored, scene.claim(earlier)))
    batch_id = scene.add_batch(start=False)
    assert scanned(scene, batch_id, FakeSource(documents), tmp_path).archived == 3


def test_it_is_kept_with_what_came_true(scene: Scene, tmp_path: Path) -> None:
    documents = [make_document(1), make_document(2, problem=SyncError("META_NO_FILES"))]
    batch_id = scene.add_batch(start=False)
    source = FakeSource(documents)
    found = scanned(scene, batch_id, source, tmp_path)
    with scene.ledger.read() as session:
        plan = scanning.plan_of(session.get_one(Batch, batch_id), sample=0, seed=1)
    ids = {
        scanning.keep(
            scene.ledger,
            plan,
            found,
            chore_id=5,
            by="lee",
            started_at=scene.clock(),
            now=scene.clock(),
        )
        for _ in range(2)
    }
    assert len(ids) == 1
    with scene.ledger.read() as session:
        scan = scans.newest(session, batch_id)
        assert scan is not None
        (before,) = scans.predictions(session, scan)
    assert (before.code, before.predicted, before.actual) == ("META_NO_FILES", 1, 0)


def test_a_demanded_field_fails_the_document_in_scan_and_migration_alike(
    scene: Scene, tmp_path: Path
) -> None:
    documents = [make_document(1), make_document(2, applicant="")]
    batch_id = scene.add_batch()
    with scene.ledger.write() as session:
        source = session.get_one(DataSource, session.get_one(Batch, batch_id).data_source_id)
        source.rules = {"required": ["applicant"]}
    found = scanned(scene, batch_id, FakeSource(documents), tmp_path)
    scene.list_all(batch_id, documents)
    failed = {item.error_code for item in scene.items(batch_id).values() if item.error_code}
    assert {code for code, _ in found.causes} == failed == {"META_MISSING_FIELD"}


def test_a_source_that_stays_away_ends_it_with_the_reason(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.services.scanning.time.sleep", lambda _seconds: None)
    batch_id = scene.add_batch(start=False)
    source = FakeSource([make_document(1)])
    tries: list[int] = []

    def fail(page: int) -> None:
        tries.append(page)
        raise SyncError("SRC_TIMEOUT", seconds=5)

    source.before_page = fail
    with pytest.raises(SyncError, match="SRC_TIMEOUT"):
        scanned(scene, batch_id, source, tmp_path)
    assert tries == [1, 1, 1, 1]


def test_the_rules_it_judged_by_are_kept(scene: Scene) -> None:
    batch_id = scene.add_batch(start=False)
    with scene.ledger.read() as session:
        plan = scanning.plan_of(session.get_one(Batch, batch_id), sample=10**9, seed=1)
    assert plan.rules == CompatibilityRules()
    assert plan.sample == scanning.MOST_SAMPLED
